"""What was known when: one row in, its states out, read from the ingested store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kaggle_tables import KaggleTables

from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest

SECOND = timedelta(seconds=1)


@pytest.fixture
def tables():
    tables = KaggleTables()
    tables.client(100_001)
    return tables


def states(tables: KaggleTables, folder: Path, table: str) -> tuple[datetime, list[dict]]:
    """T0 of the only client, and its events in one table, oldest knowledge first."""
    store: EventStore = ingest(tables.write(folder / "raw"), folder / "events", Options(buckets=1)).store
    (client,) = store.clients(0).to_pylist()
    import pyarrow.parquet as pq

    rows = pq.read_table(store.path(table, 0)).to_pylist()
    return client["t0"], sorted(rows, key=lambda row: row["known_ts"])


def test_application_is_known_at_its_t0(tables, tmp_path):
    t0, (row,) = states(tables, tmp_path, "application")
    assert row["event_ts"] == row["known_ts"] == row["t0"] == t0


def test_bureau_is_known_at_its_update(tables, tmp_path):
    tables.add("bureau", SK_ID_CURR=100_001, SK_ID_BUREAU=1, DAYS_CREDIT=-900, DAYS_CREDIT_UPDATE=-30)
    t0, (row,) = states(tables, tmp_path, "bureau")
    assert (row["event_ts"], row["known_ts"]) == (t0 - timedelta(days=900), t0 - timedelta(days=30))


def test_bureau_update_before_opening_counts_from_the_opening_and_keeps_its_days(tables, tmp_path):
    tables.add("bureau", SK_ID_CURR=100_001, SK_ID_BUREAU=1, DAYS_CREDIT=-900, DAYS_CREDIT_UPDATE=-41_947)
    t0, (row,) = states(tables, tmp_path, "bureau")
    assert row["event_ts"] == row["known_ts"] == t0 - timedelta(days=900)
    assert row["DAYS_CREDIT_UPDATE"] == -41_947


def test_delivered_bureau_update_after_t0_is_lost(tables, tmp_path):
    tables.add("bureau", SK_ID_CURR=100_001, SK_ID_BUREAU=1, DAYS_CREDIT=-900, DAYS_CREDIT_UPDATE=372)
    t0, (row,) = states(tables, tmp_path, "bureau")
    assert row["known_ts"] == t0 - timedelta(days=900)
    assert row["DAYS_CREDIT_UPDATE"] is None


def test_closed_credit_is_not_known_as_closed_before_its_end(tables, tmp_path):
    dates = {"DAYS_CREDIT": -900, "DAYS_CREDIT_UPDATE": -41_947, "DAYS_ENDDATE_FACT": -100.0}
    tables.add("bureau", SK_ID_CURR=100_001, SK_ID_BUREAU=1, **dates)
    t0, (row,) = states(tables, tmp_path, "bureau")
    assert row["known_ts"] == t0 - timedelta(days=100)


def test_later_bureau_state_is_a_second_version(tables, tmp_path):
    now = tables.add("bureau", SK_ID_CURR=100_001, SK_ID_BUREAU=1, CREDIT_ACTIVE="Active", DAYS_CREDIT_UPDATE=0)
    closed = {"CREDIT_ACTIVE": "Closed", "DAYS_CREDIT_UPDATE": 40, "DAYS_ENDDATE_FACT": 38.0}
    tables.later["bureau"] += [now | closed, now | closed]
    t0, rows = states(tables, tmp_path, "bureau")
    assert [row["CREDIT_ACTIVE"] for row in rows] == ["Active", "Closed"]
    assert [row["known_ts"] for row in rows] == [t0 - SECOND, t0 + timedelta(days=40)]


@pytest.mark.parametrize("table", ["POS_CASH_balance", "credit_card_balance", "bureau_balance"])
def test_monthly_rows_are_known_at_the_end_of_their_month(tables, tmp_path, table):
    tables.add("bureau", SK_ID_CURR=100_001, SK_ID_BUREAU=1)
    ids = {"SK_ID_BUREAU": 1} if table == "bureau_balance" else {"SK_ID_PREV": 1, "SK_ID_CURR": 100_001}
    for month in (-2, -1, 0):
        tables.add(table, **ids, MONTHS_BALANCE=month)
    tables.add_later(table, **ids, MONTHS_BALANCE=0)
    tables.add_later(table, **ids, MONTHS_BALANCE=-1)  # known already: says nothing new
    t0, rows = states(tables, tmp_path, table)
    month_start = t0.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = (month_start - timedelta(days=1)).replace(day=1)
    after = (month_start + timedelta(days=32)).replace(day=1)
    tick = timedelta(microseconds=1)
    assert [row["known_ts"] for row in rows] == [before - tick, month_start - tick, t0 - SECOND, after - tick]
    assert [row["event_ts"] for row in rows] == [row["known_ts"] for row in rows]
    assert {row["SK_ID_CURR"] for row in rows} == {100_001}


def test_previous_application_learns_its_end_step_by_step(tables, tmp_path):
    ends = {"DAYS_LAST_DUE": -100.0, "DAYS_TERMINATION": -90.0, "DAYS_FIRST_DRAWING": -550.0}
    tables.add("previous_application", SK_ID_CURR=100_001, SK_ID_PREV=1, DAYS_DECISION=-600, **ends)
    t0, rows = states(tables, tmp_path, "previous_application")
    assert [row["known_ts"] for row in rows] == [t0 - timedelta(days=days) for days in (600, 550, 100, 90)]
    assert {row["event_ts"] for row in rows} == {t0 - timedelta(days=600)}
    assert [row["DAYS_FIRST_DRAWING"] for row in rows] == [365_243, -550, -550, -550]
    assert [row["DAYS_LAST_DUE"] for row in rows] == [365_243, 365_243, -100, -100]
    assert [row["DAYS_TERMINATION"] for row in rows] == [365_243, 365_243, 365_243, -90]


def test_refused_previous_application_stays_without_end(tables, tmp_path):
    tables.add("previous_application", SK_ID_CURR=100_001, SK_ID_PREV=1, NAME_CONTRACT_STATUS="Refused")
    _, (row,) = states(tables, tmp_path, "previous_application")
    assert (row["DAYS_LAST_DUE"], row["DAYS_TERMINATION"]) == (None, None)


def test_previous_application_that_ends_after_t0_adds_only_the_end(tables, tmp_path):
    running = {"DAYS_LAST_DUE": 365_243.0, "DAYS_TERMINATION": 365_243.0}
    row = tables.add("previous_application", SK_ID_CURR=100_001, SK_ID_PREV=1, DAYS_DECISION=-60, **running)
    tables.later["previous_application"].append(row | {"DAYS_LAST_DUE": 30.0, "DAYS_TERMINATION": 30.0})
    t0, rows = states(tables, tmp_path, "previous_application")
    assert [(row["known_ts"] - t0).days for row in rows] == [-60, 30]
    assert [row["DAYS_LAST_DUE"] for row in rows] == [365_243, 30]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (-505.0, [(-505, 9_000.0)]),
        (-500.0, [(-500, 9_000.0)]),
        (-480.0, [(-500, None), (-480, 9_000.0)]),
        (None, [(-500, None)]),
    ],
    ids=["early", "on the day", "late", "unpaid"],
)
def test_instalment_states(tables, tmp_path, entry, expected):
    amount = None if entry is None else 9_000.0
    ids = {"SK_ID_CURR": 100_001, "SK_ID_PREV": 1}
    tables.add("installments_payments", **ids, DAYS_INSTALMENT=-500.0, DAYS_ENTRY_PAYMENT=entry, AMT_PAYMENT=amount)
    t0, rows = states(tables, tmp_path, "installments_payments")
    assert [((row["known_ts"] - t0).days, row["AMT_PAYMENT"]) for row in rows] == expected
    assert all((row["DAYS_ENTRY_PAYMENT"] is None) == (row["AMT_PAYMENT"] is None) for row in rows)


def test_late_part_payments_share_one_open_state_and_equal_payments_both_count(tables, tmp_path):
    late = {"DAYS_INSTALMENT": -500.0, "DAYS_ENTRY_PAYMENT": -480.0, "AMT_PAYMENT": 4_500.0}
    for _ in range(2):
        tables.add("installments_payments", SK_ID_CURR=100_001, SK_ID_PREV=1, **late)
    _, rows = states(tables, tmp_path, "installments_payments")
    assert [row["AMT_PAYMENT"] for row in rows] == [None, 4_500.0, 4_500.0]


def test_instalment_open_at_t0_is_paid_later(tables, tmp_path):
    ids = {"SK_ID_CURR": 100_001, "SK_ID_PREV": 1, "DAYS_INSTALMENT": -5.0}
    tables.add("installments_payments", **ids, DAYS_ENTRY_PAYMENT=None, AMT_PAYMENT=None)
    tables.add_later("installments_payments", **ids, DAYS_ENTRY_PAYMENT=12.0, AMT_PAYMENT=9_000.0)
    tables.present(datetime(2030, 1, 1, tzinfo=UTC))
    t0, rows = states(tables, tmp_path, "installments_payments")
    assert [((row["known_ts"] - t0).days, row["AMT_PAYMENT"]) for row in rows] == [(-5, None), (12, 9_000.0)]


def test_rows_of_day_zero_were_on_the_table_at_the_application(tables, tmp_path):
    ids = {"SK_ID_CURR": 100_001, "SK_ID_PREV": 1}
    tables.add("installments_payments", **ids, DAYS_INSTALMENT=0.0, DAYS_ENTRY_PAYMENT=0.0)
    t0, (row,) = states(tables, tmp_path, "installments_payments")
    assert row["known_ts"] == t0 - SECOND


def test_online_clock_is_the_present_only_for_clients_who_live_on(tables, tmp_path):
    tables.client(100_002)
    tables.add_later("installments_payments", SK_ID_CURR=100_002, SK_ID_PREV=1, DAYS_ENTRY_PAYMENT=3.0)
    present = datetime(2030, 1, 1, tzinfo=UTC)
    tables.present(present)
    store = ingest(tables.write(tmp_path / "raw"), tmp_path / "events", Options(buckets=1)).store
    still, lives_on = store.clients(0).to_pylist()
    assert still["online_as_of"] == still["last_event_ts"] == still["t0"]
    assert lives_on["online_as_of"] == present == store.meta.as_of_now
    assert lives_on["last_event_ts"] == lives_on["t0"] + timedelta(days=3)
    assert store.meta.lives_on
