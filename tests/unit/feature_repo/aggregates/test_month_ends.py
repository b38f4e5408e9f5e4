import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from kaggle_tables import KaggleTables, random_tables
from typer.testing import CliRunner

from credit.errors import DataError, SettingsError
from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.month_ends import Months
from feature_repo.aggregates.spine import file_spine, month_end_spine, named_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.cli.features import app
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest

PRESENT = datetime(2025, 7, 1, tzinfo=UTC)


def month_start(text):
    return datetime.fromisoformat(f"{text}-01").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A platform folder whose events hold 40 clients in 3 buckets; four of five live on until PRESENT."""
    folder = tmp_path_factory.mktemp("home")
    tables = random_tables(40, seed=3, later=True)
    tables.present(PRESENT)
    ingest(tables.write(folder / "raw"), folder / "events", Options(buckets=3))
    return folder


@pytest.fixture
def store(home):
    return EventStore(home / "events")


def rows_of(spine, store):
    return pa.concat_tables([spine.for_bucket(bucket) for bucket in range(store.buckets)]).to_pylist()


def clients_of(store):
    return [row for bucket in range(store.buckets) for row in store.clients(bucket).to_pylist()]


def test_month_ends_are_the_first_instants_of_the_next_months():
    assert [end.isoformat() for end in Months.parse("2023-11", "2024-02").ends.tolist()] == [
        "2023-12-01T00:00:00",
        "2024-01-01T00:00:00",
        "2024-02-01T00:00:00",
        "2024-03-01T00:00:00",
    ]


def test_every_client_has_a_row_at_each_month_end_from_its_application_to_its_present(store):
    rows = rows_of(month_end_spine(Months.parse("2023-01", "2025-06"), store), store)
    ends = [datetime(2023 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(1, 31)]
    expected = [
        (client["SK_ID_CURR"], end)
        for client in clients_of(store)
        for end in ends
        if client["t0"] <= end <= client["online_as_of"]
    ]
    assert [(row["SK_ID_CURR"], row["as_of"]) for row in rows] == expected
    with_rows = {row["SK_ID_CURR"] for row in rows}
    assert with_rows == {client["SK_ID_CURR"] for client in clients_of(store) if client["online_as_of"] == PRESENT}
    assert 0 < len(with_rows) < 40


def test_a_month_that_has_not_ended_is_refused(store):
    assert rows_of(month_end_spine(Months.parse("2025-06", "2025-06"), store), store)
    with pytest.raises(DataError, match=r"month 2025-07 has not ended.* the last month with an end is 2025-06"):
        named_spine("month-ends-2025-01-2025-07", store)


def test_data_that_do_not_live_on_have_no_month_ends_and_say_so(tmp_path):
    tables = KaggleTables()
    for client_id in range(100_001, 100_021):
        tables.client(client_id)
    ingest(tables.write(tmp_path / "raw"), tmp_path / "events", Options(buckets=2))
    store = EventStore(tmp_path / "events")
    with pytest.raises(DataError, match=r"no client has a month end .* hold nothing after the applications"):
        month_end_spine(Months.parse("2022-02", "2023-12"), store)


def test_a_month_end_row_is_what_a_spine_file_gives_for_its_moment(store, tmp_path):
    view = load_catalogue().view("installments")
    moment = month_start("2024-12")
    build_views(store, named_spine("month-ends-2024-10-2025-01", store), tmp_path, "month-ends", (view,))
    built = ds.dataset(tmp_path / view.name / "month-ends").to_table().drop_columns(["created_ts"])
    asked = built.filter(ds.field("as_of") == pa.scalar(moment, pa.timestamp("us", "UTC")))
    pq.write_table(asked.select(["SK_ID_CURR", "as_of"]), tmp_path / "spine.parquet")
    build_views(store, file_spine(tmp_path / "spine.parquet", store), tmp_path, "asked", (view,))
    same = ds.dataset(tmp_path / view.name / "asked").to_table().drop_columns(["created_ts"])
    assert asked.num_rows > 0
    assert asked.sort_by("SK_ID_CURR").equals(same.sort_by("SK_ID_CURR"))


def test_the_command_line_names_the_run_by_its_months_and_skips_the_same_range(home):
    arguments = ["backfill", "--spine", "month-ends", "--home", str(home), "--view", "demographics", "--json"]
    reports = [
        json.loads(
            CliRunner().invoke(app, [*arguments, "--from", first, "--to", "2024-12"], catch_exceptions=False).stdout
        )
        for first in ("2024-06", "2024-06", "2024-07")
    ]
    assert [report["run"] for report in reports] == ["month-ends-2024-06-2024-12"] * 2 + ["month-ends-2024-07-2024-12"]
    assert [report["skipped"] for report in reports] == [False, True, False]
    assert reports[0]["rows"] > reports[2]["rows"] > 0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (["--spine", "month-ends"], SettingsError, "needs its first and last month"),
        (["--spine", "month-ends", "--from", "2023-01"], SettingsError, "needs its first and last month"),
        (["--spine", "training", "--from", "2023-01"], SettingsError, "belong to --spine month-ends"),
        (["--spine", "month-ends", "--from", "2023-13", "--to", "Jan"], DataError, "no month: '2023-13' and 'Jan'"),
        (["--spine", "month-ends", "--from", "2023-05", "--to", "2023-04"], DataError, "run backwards"),
    ],
)
def test_wrong_months_are_refused(home, arguments, error, text):
    with pytest.raises(error, match=text):
        CliRunner().invoke(app, ["backfill", *arguments, "--home", str(home)], catch_exceptions=False)
