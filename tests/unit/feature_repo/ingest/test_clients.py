import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credit.clock import WEEKDAYS, Calendar, application_times, bucket_of
from feature_repo.ingest.clients import create_clients
from feature_repo.ingest.engine import Resources, arrow_table, connect


@pytest.mark.parametrize("buckets", [None, 1, 7])
def test_bucket_and_t0_are_those_of_the_clock(tmp_path, buckets):
    ids = np.array([1, 100_002, 456_255, 2**53 + 1, 2**63 - 1])
    weekdays, hours = np.array([0, 3, 6, 2, 5]), np.array([0, 23, 12, 7, 9])
    for name, part in (("application_train", slice(0, 3)), ("application_test", slice(3, 5))):
        rows = {
            "SK_ID_CURR": ids[part],
            "WEEKDAY_APPR_PROCESS_START": [WEEKDAYS[day] for day in weekdays[part]],
            "HOUR_APPR_PROCESS_START": hours[part],
        }
        pq.write_table(pa.table(rows), tmp_path / f"{name}.parquet")
    staged = {name: tmp_path / f"{name}.parquet" for name in ("application_train", "application_test")}
    calendar = Calendar(seed=3)
    with connect(Resources(), tmp_path / "spill") as connection:
        clients = create_clients(connection, staged, calendar, buckets, tmp_path / "clients.parquet")
        rows = arrow_table(connection, "FROM clients ORDER BY SK_ID_CURR")
    assert clients.buckets == (buckets or 4)
    np.testing.assert_array_equal(rows["SK_ID_CURR"].to_numpy(), ids)
    np.testing.assert_array_equal(rows["bucket"].to_numpy(), bucket_of(ids, clients.buckets))
    np.testing.assert_array_equal(rows["t0"].to_numpy(), application_times(ids, weekdays, hours, calendar))
