"""A whole Kaggle-format folder through ingestion: values, invariants, forms of delivery, real-world nastiness."""

import csv
import gzip
import json
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_tables import KaggleTables, random_tables, weekday_after

from credit.cli import run
from credit.clock import Calendar, application_times, bucket_of
from credit.schemas.raw import HISTORY_TABLES, raw_tables
from feature_repo.ingest.events import CLIENT_SCHEMA, EVENT_TABLES, EventStore, event_columns, event_schema
from feature_repo.ingest.pipeline import Options, ingest

BUCKETS = 3
#: Actual dates: what a row says has happened. (Planned dates may lie ahead of the knowledge.)
ACTUAL = {
    "bureau": ("DAYS_CREDIT", "DAYS_CREDIT_UPDATE", "DAYS_ENDDATE_FACT"),
    "previous_application": ("DAYS_DECISION", "DAYS_FIRST_DRAWING", "DAYS_LAST_DUE", "DAYS_TERMINATION"),
    "installments_payments": ("DAYS_ENTRY_PAYMENT",),
}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    tables = random_tables(60, seed=1, later=True)
    tables.present(datetime(2026, 1, 1, tzinfo=UTC))
    raw = tables.write(folder / "raw")
    return tables, ingest(raw, folder / "events", Options(buckets=BUCKETS)).store


def whole(store: EventStore, table: str) -> pa.Table:
    return pa.concat_tables([pq.read_table(store.path(table, bucket)) for bucket in range(store.buckets)])


def assert_invariants(store: EventStore) -> None:
    """What holds for every events folder whatever the input."""
    clients: dict[int, dict] = {}
    for bucket in range(store.buckets):
        rows = store.clients(bucket)
        assert rows.schema.equals(CLIENT_SCHEMA)
        clients |= {row["SK_ID_CURR"]: row for row in rows.to_pylist()}
    newest: Counter = Counter()
    for table in EVENT_TABLES:
        for bucket in range(store.buckets):
            events = pq.read_table(store.path(table, bucket))
            assert events.schema.equals(event_schema(table))
            ids = events["SK_ID_CURR"].to_numpy()
            assert (bucket_of(ids, store.buckets) == bucket).all()
            assert (np.diff(ids) >= 0).all()
            for row in events.to_pylist():
                assert_event(table, row, clients[row["SK_ID_CURR"]])
                newest[row["SK_ID_CURR"]] = max(newest[row["SK_ID_CURR"]] or row["known_ts"], row["known_ts"])
    assert {client: row["last_event_ts"] for client, row in clients.items()} == newest
    assert store.meta.clients == len(clients)
    for table, counts in store.meta.tables.items():
        assert counts.read == counts.kept + sum(counts.dropped.values())
        assert counts.rows == whole(store, table).num_rows


def assert_event(table: str, row: dict, client: dict) -> None:
    t0 = client["t0"]
    assert row["t0"] == t0
    assert row["event_ts"] <= row["known_ts"]
    # Day 0 was on the table one second before T0.
    limit = row["known_ts"] + (timedelta(seconds=1) if row["known_ts"] < t0 else timedelta())
    for name in ACTUAL.get(table, ()):
        if row[name] is not None and row[name] != 365_243:
            assert t0 + timedelta(days=row[name]) <= limit, f"{table}.{name} lies after known_ts"


def test_invariants(crowd):
    _, store = crowd
    assert_invariants(store)


def test_delivered_rows_are_known_before_t0_and_later_rows_change_nothing_before_it(crowd, tmp_path):
    tables, store = crowd
    plain = KaggleTables()
    plain.main = tables.main
    alone = ingest(plain.write(tmp_path / "raw"), tmp_path / "events", Options(buckets=BUCKETS)).store
    for table in HISTORY_TABLES:
        before = [row for row in whole(store, table).to_pylist() if row["known_ts"] < row["t0"]]
        delivered = whole(alone, table).to_pylist()
        assert delivered == before
    assert any(row["known_ts"] >= row["t0"] for row in whole(store, "bureau").to_pylist())


@pytest.mark.parametrize(
    "table", ["application", "bureau", "bureau_balance", "POS_CASH_balance", "credit_card_balance"]
)
def test_values_equal_what_pandas_reads(crowd, table):
    _, store = crowd
    names = ("application_train", "application_test") if table == "application" else (table,)
    folder = store.root.path.parent / "raw"
    expected = pd.concat([pd.read_csv(folder / f"{name}.csv") for name in names])
    events = whole(store, table).to_pandas()
    delivered = events[(events.known_ts < events.t0) | (table == "application")]
    columns = [column.name for column in event_columns(table) if column.name in expected]
    key = list(raw_tables()[names[0]].key)
    left = delivered[columns].sort_values(key).reset_index(drop=True)
    right = expected[columns].sort_values(key).reset_index(drop=True)
    for column in columns:
        if left[column].dtype == object:
            assert left[column].fillna("").tolist() == right[column].fillna("").tolist(), column
        else:
            np.testing.assert_array_equal(left[column].astype(float), right[column].astype(float), column)


def test_t0_is_the_clocks(crowd):
    tables, store = crowd
    weekdays = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
    rows = tables.main["application_train"] + tables.main["application_test"]
    ids = np.array([row["SK_ID_CURR"] for row in rows])
    days = np.array([weekdays.index(row["WEEKDAY_APPR_PROCESS_START"]) for row in rows])
    hours = np.array([row["HOUR_APPR_PROCESS_START"] for row in rows])
    expected = dict(zip(ids.tolist(), application_times(ids, days, hours, Calendar()), strict=True))
    for bucket in range(BUCKETS):
        clients = store.clients(bucket)
        found = dict(zip(clients["SK_ID_CURR"].to_pylist(), clients["t0"].to_numpy(), strict=True))
        assert found == {client: expected.pop(client) for client in found}
    assert not expected


def as_plain(folder):
    return None


def as_gzip(folder):
    for path in list(folder.glob("*.csv")):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def as_zips(folder):
    for path in list(folder.glob("*.csv")):
        with zipfile.ZipFile(folder / f"{path.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
        path.unlink()


def as_one_zip(folder):
    with zipfile.ZipFile(folder / "home-credit-default-risk.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("HomeCredit_columns_description.csv", "Table,Row\n")
        for path in list(folder.glob("*.csv")):
            archive.write(path, f"data/{path.name}")
            archive.writestr(f"__MACOSX/data/._{path.name}", b"\0")
            path.unlink()


def as_float_integers_quoted_crlf(folder):
    """How spreadsheets and pandas write: every integer as 1.0, every field quoted, CRLF, a byte order mark."""
    for path in folder.glob("*.csv"):
        table = raw_tables()[path.stem]
        integers = {column.name for column in table.columns if column.type == "int64"}
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(reversed(table.column_names)), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(
                {name: f"{value}.0" if name in integers else value for name, value in row.items()} for row in rows
            )


@pytest.mark.parametrize("pack", [as_plain, as_gzip, as_zips, as_one_zip, as_float_integers_quoted_crlf])
def test_every_form_of_delivery_gives_the_same_events(crowd, tmp_path, pack):
    tables, store = crowd
    raw = tables.write(tmp_path / "raw")
    pack(raw)
    again = ingest(raw, tmp_path / "events", Options(buckets=BUCKETS)).store
    for table in EVENT_TABLES:
        assert whole(again, table).equals(whole(store, table)), table


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 25), st.integers(0, 10**6), st.booleans(), st.integers(1, 5))
def test_invariants_hold_for_any_crowd(tmp_path_factory, clients, seed, later, buckets):
    folder = tmp_path_factory.mktemp("any")
    raw = random_tables(clients, seed, later).write(folder / "raw")
    assert_invariants(ingest(raw, folder / "events", Options(buckets=buckets)).store)


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """What the public files hold besides clean rows."""
    folder = tmp_path_factory.mktemp("nasty")
    tables = KaggleTables()
    nullable = {column.name: None for column in raw_tables()["application_train"].columns if column.nullable}
    tables.client(1, 1, **nullable, DAYS_EMPLOYED=365_243, ORGANIZATION_TYPE="XNA", NAME_INCOME_TYPE="Pensioner")
    tables.client(2, None, CODE_GENDER="XNA", NAME_FAMILY_STATUS="Unknown", ORGANIZATION_TYPE="Space travel")
    tables.client(3, 0)
    twin = {"SK_ID_CURR": 1, "DAYS_CREDIT": -2_000, "DAYS_CREDIT_UPDATE": -42_000, "DAYS_ENDDATE_FACT": -42_023.0}
    for credit in (10, 11):
        tables.add("bureau", SK_ID_BUREAU=credit, DAYS_CREDIT_ENDDATE=31_199.0, **twin)
    tables.add("bureau", SK_ID_BUREAU=12, SK_ID_CURR=404, CREDIT_TYPE="Moon mortgage")
    tables.add("bureau_balance", SK_ID_BUREAU=10, STATUS="9")
    tables.add("bureau_balance", SK_ID_BUREAU=12)
    tables.add("bureau_balance", SK_ID_BUREAU=99)
    cut = {"DAYS_FIRST_DRAWING": 365_243.0, "DAYS_LAST_DUE": 365_243.0, "DAYS_TERMINATION": 365_243.0}
    tables.add("previous_application", SK_ID_PREV=1, SK_ID_CURR=1, PRODUCT_COMBINATION=None, **cut)
    tables.add("previous_application", SK_ID_PREV=2, SK_ID_CURR=404)
    tables.add("installments_payments", SK_ID_PREV=1, SK_ID_CURR=1, DAYS_ENTRY_PAYMENT=None, AMT_PAYMENT=None)
    tables.add("installments_payments", SK_ID_PREV=1, SK_ID_CURR=1, DAYS_INSTALMENT=None, DAYS_ENTRY_PAYMENT=None)
    tables.add("POS_CASH_balance", SK_ID_PREV=1, SK_ID_CURR=404)
    return ingest(tables.write(folder / "raw"), folder / "events", Options()).store


def test_nastiness_passes(nasty):
    assert_invariants(nasty)
    assert [row["SK_ID_BUREAU"] for row in whole(nasty, "bureau").to_pylist()] == [10, 11]
    assert {row["DAYS_CREDIT_UPDATE"] for row in whole(nasty, "bureau").to_pylist()} == {-42_000}


def test_dropped_rows_are_counted_by_reason(nasty):
    dropped = {table: counts.dropped for table, counts in nasty.meta.tables.items() if counts.dropped}
    nobody = {"client without an application": 1}
    assert dropped == {
        "bureau": nobody,
        "bureau_balance": {"no bureau row with its SK_ID_BUREAU": 1, **nobody},
        "previous_application": nobody,
        "installments_payments": {"neither due nor paid: no date": 1},
        "POS_CASH_balance": nobody,
    }


def test_unseen_categories_are_reported_and_become_unknown(nasty):
    found = {(each.table, each.column, each.value, each.rows) for each in nasty.meta.unknown_categories}
    assert found == {
        ("application", "ORGANIZATION_TYPE", "Space travel", 1),
        ("bureau", "CREDIT_TYPE", "Moon mortgage", 1),
        ("bureau_balance", "STATUS", "9", 1),
    }
    assert whole(nasty, "application")["ORGANIZATION_TYPE"].to_pylist().count("UNKNOWN") == 1
    assert whole(nasty, "bureau_balance")["STATUS"].to_pylist() == ["UNKNOWN"]
    assert whole(nasty, "previous_application")["PRODUCT_COMBINATION"].to_pylist() == [None]


def test_history_without_rows_is_a_warning(nasty):
    assert nasty.meta.warnings == ("credit_card_balance.csv has a header but no rows: nobody has such a history",)


def test_clients_without_history_and_without_label_are_kept(nasty):
    clients = [row for bucket in range(nasty.buckets) for row in nasty.clients(bucket).to_pylist()]
    assert {row["SK_ID_CURR"]: row["target"] for row in clients} == {1: 1, 2: None, 3: 0}
    assert all(row["online_as_of"] == row["t0"] for row in clients)
    assert not nasty.meta.lives_on
    newest = max(row["t0"] for row in clients)
    assert timedelta(0) < nasty.meta.as_of_now - newest <= timedelta(days=1)
    assert nasty.meta.as_of_now.time() == datetime.min.time()


def test_weekdays_of_previous_applications_are_checked(tmp_path):
    tables = KaggleTables()
    for client, slip in ((1, 0), (2, 0), (3, 0), (4, 1)):
        day = tables.client(client, WEEKDAY_APPR_PROCESS_START="THURSDAY")["WEEKDAY_APPR_PROCESS_START"]
        weekday = weekday_after(day, -100 + slip)
        ids = {"SK_ID_PREV": client, "SK_ID_CURR": client}
        tables.add("previous_application", **ids, DAYS_DECISION=-100, WEEKDAY_APPR_PROCESS_START=weekday)
    meta = ingest(tables.write(tmp_path / "raw"), tmp_path / "events", Options()).store.meta
    assert meta.weekday_agreement == 0.75


def test_command_line_reports_and_skips_unchanged_input(tmp_path, capsys):
    raw, out = random_tables(8).write(tmp_path / "raw"), tmp_path / "events"
    command = ["data", "ingest", "--source", str(raw), "--out", str(out), "--json"]
    reports = []
    for extra in ([], [], ["--force"], ["--buckets", "2"]):
        assert run([*command, *extra]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert [report["unchanged"] for report in reports] == [False, True, False, False]
    assert reports[0]["tables"]["application"] == {"rows": 8, "read": 8, "read_later": 0, "kept": 8, "dropped": {}}
    assert EventStore(out).buckets == 2
    with (raw / "bureau_balance.csv").open("a") as file:
        file.write("999,-1,C\n")
    assert run([*command[:-1], "--buckets", "2"]) == 0
    text = capsys.readouterr().out
    assert "dropped from bureau_balance: 1 rows (no bureau row with its SK_ID_BUREAU)" in text
    assert "wrote" in text
