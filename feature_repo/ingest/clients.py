"""Every application with its bucket and T0: the small table that all others join."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from credit.clock import WEEKDAYS, Calendar, application_times, bucket_of
from credit.schemas.raw import APPLICATION_TABLES
from feature_repo.ingest.engine import arrow_table, quoted

#: Clients per bucket that keep one bucket's tables within a few hundred MB.
_CLIENTS_PER_BUCKET = 4_000
_FEWEST_BUCKETS = 4


@dataclass(frozen=True, slots=True)
class Clients:
    """How many there are, in how many buckets, and the newest T0. Rows are in the connection's table `clients`."""

    count: int
    buckets: int
    newest: datetime

    @property
    def next_day(self) -> datetime:
        """The day after the newest T0, 00:00 UTC: the present of data that does not state one."""
        return datetime(self.newest.year, self.newest.month, self.newest.day, tzinfo=UTC) + timedelta(days=1)


def create_clients(
    connection: duckdb.DuckDBPyConnection,
    staged: Mapping[str, Path],
    calendar: Calendar,
    buckets: int | None,
    scratch: Path,
) -> Clients:
    """Create the table `clients` (SK_ID_CURR, bucket, t0 as UTC without zone) from the staged applications."""
    union = " UNION ALL ".join(
        f"SELECT SK_ID_CURR, WEEKDAY_APPR_PROCESS_START AS weekday, HOUR_APPR_PROCESS_START AS hour "
        f"FROM {quoted(staged[table])}"
        for table in APPLICATION_TABLES
    )
    days = ", ".join(map(quoted, WEEKDAYS))
    rows = arrow_table(
        connection, f"SELECT SK_ID_CURR, list_position([{days}], weekday)::BIGINT - 1 AS weekday, hour FROM ({union})"
    )
    ids, weekdays, hours = (rows[name].to_numpy() for name in ("SK_ID_CURR", "weekday", "hour"))
    chosen = buckets or max(_FEWEST_BUCKETS, -(-len(ids) // _CLIENTS_PER_BUCKET))
    t0 = application_times(ids, weekdays, hours, calendar)
    arrays = {"SK_ID_CURR": ids, "bucket": bucket_of(ids, chosen), "t0": t0}
    # Through a file, because registering an Arrow table would import pandas.
    pq.write_table(pa.table(arrays), scratch)
    connection.execute(f"CREATE TABLE clients AS FROM {quoted(scratch)}")
    return Clients(len(ids), chosen, t0.max().astype(datetime).replace(tzinfo=UTC))
