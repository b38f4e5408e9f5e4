"""Writes event files of chosen rows, as ingestion would, and computes views on them: for tests of the aggregates."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.aggregates.compute import compute_view
from feature_repo.catalogue import load_catalogue
from feature_repo.ingest.events import EVENT_TABLES, event_columns, event_schema
from feature_repo.settings import FeatureSettings

Row = dict[str, Any]
T0 = datetime(2024, 3, 14, 10, 30, tzinfo=UTC)
CLIENT = 100_001
BLANKS = {"int64": 0, "float64": 0.0, "string": "XNA"}


def day(days: float, t0: datetime = T0) -> datetime:
    """The moment `days` after T0."""
    return t0 + timedelta(days=days)


def event(table: str, known: float | datetime, client: int = CLIENT, t0: datetime = T0, **values: Any) -> Row:
    """One event row known at `known` (days from T0, or a moment); columns not given are null or blank."""
    blank = {column.name: None if column.nullable else BLANKS[column.type] for column in event_columns(table)}
    moment = known if isinstance(known, datetime) else day(known, t0)
    unknown = set(values) - set(blank) - {"event_ts"}
    assert not unknown, f"{table} has no column {sorted(unknown)}"
    return blank | {"SK_ID_CURR": client, "t0": t0, "event_ts": moment, "known_ts": moment} | values


def write_events(folder: Path, rows: Iterable[tuple[str, Row]], row_group: int | None = None) -> dict[str, Path]:
    """Write one Parquet file per event table, rows in the order given; returns the paths by table."""
    folder.mkdir(parents=True, exist_ok=True)
    by_table: dict[str, list[Row]] = {table: [] for table in EVENT_TABLES}
    for table, row in rows:
        by_table[table].append(row)
    paths = {table: folder / f"{table}.parquet" for table in EVENT_TABLES}
    for table, path in paths.items():
        pq.write_table(pa.Table.from_pylist(by_table[table], event_schema(table)), path, row_group_size=row_group)
    return paths


def spine(*pairs: tuple[int, datetime]) -> pa.Table:
    """A spine of (client, as_of) pairs."""
    clients, moments = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table(
        {"SK_ID_CURR": pa.array(clients, pa.int64()), "as_of": pa.array(moments, pa.timestamp("us", tz="UTC"))}
    )


def compute(view: str, paths: dict[str, Path], rows: pa.Table, threads: int = 1) -> pa.Table:
    """The features of one view of the shipped catalogue."""
    return compute_view(load_catalogue().view(view), paths, rows, FeatureSettings(duckdb_threads=threads))


def features_of(view: str, folder: Path, events: Iterable[tuple[str, Row]], as_of: datetime = T0) -> Row:
    """The features of the one client CLIENT at `as_of`, given all events there are."""
    return compute(view, write_events(folder, events), spine((CLIENT, as_of))).to_pylist()[0]


def random_history(draw: Random, client: int = CLIENT, t0: datetime = T0, size: int = 4) -> Iterator[tuple[str, Row]]:
    """A client's events from two and a half years before T0 to one year after; at most `size` records a table.

    Records have several versions, part payments, other currencies, missing values and equal dates.
    """
    yield "application", event("application", 0, client, t0, AMT_CREDIT=_amount(draw))
    for credit in range(draw.randint(0, size)):
        yield from _random_credit(draw, client, t0, client * 100 + credit)
    for loan in range(draw.randint(0, size)):
        yield from _random_loan(draw, client, t0, client * 100 + loan)
        yield from _random_months(draw, client, t0, client * 100 + loan, "POS_CASH_balance", _pos_state)
    for card in range(draw.randint(0, size) // 2):
        yield from _random_months(draw, client, t0, client * 100 + 50 + card, "credit_card_balance", _card_state)


def _random_credit(draw: Random, client: int, t0: datetime, key: int) -> Iterator[tuple[str, Row]]:
    opened = 150 * draw.randint(-6, 2)
    fixed = {"SK_ID_BUREAU": key, "DAYS_CREDIT": opened, "event_ts": day(opened, t0)}
    fixed["CREDIT_TYPE"] = draw.choice(("Credit card", "Consumer credit", "Mortgage"))
    fixed["CREDIT_CURRENCY"] = draw.choice(("currency 1", "currency 1", "currency 2"))
    known = opened
    for _ in range(draw.randint(1, 3)):
        known += draw.randint(1, 400)
        state = {
            "CREDIT_ACTIVE": draw.choice(("Active", "Closed", "Sold")),
            "DAYS_CREDIT_ENDDATE": draw.choice((None, 31_199.0, float(opened + draw.randint(10, 2_000)))),
            "DAYS_ENDDATE_FACT": draw.choice((None, float(known - 1))),
            "DAYS_CREDIT_UPDATE": known,
            "CREDIT_DAY_OVERDUE": draw.choice((0, 0, 7)),
            "AMT_CREDIT_SUM": draw.choice((None, 0.0, _amount(draw))),
            "AMT_CREDIT_SUM_DEBT": draw.choice((None, 0.0, -4.5, _amount(draw))),
            "AMT_CREDIT_SUM_OVERDUE": draw.choice((0.0, _amount(draw))),
            "AMT_CREDIT_MAX_OVERDUE": draw.choice((None, _amount(draw))),
        }
        yield "bureau", event("bureau", known, client, t0, **fixed, **state)
    for month in range(-draw.randint(0, 30), draw.randint(-1, 8)):
        for known in _moments(draw, month, t0):
            values = {"SK_ID_BUREAU": key, "MONTHS_BALANCE": month, "STATUS": draw.choice("CX012345")}
            yield "bureau_balance", event("bureau_balance", known, client, t0, **values)


def _random_loan(draw: Random, client: int, t0: datetime, key: int) -> Iterator[tuple[str, Row]]:
    decided, ended = 150 * draw.randint(-6, 1), float(draw.randint(-800, 400))
    status = draw.choice(("Approved", "Approved", "Refused", "Canceled"))
    fixed = {
        "SK_ID_PREV": key,
        "DAYS_DECISION": decided,
        "event_ts": day(decided, t0),
        "NAME_CONTRACT_STATUS": status,
        "PRODUCT_COMBINATION": draw.choice((None, "Cash", "Card Street")),
        "CODE_REJECT_REASON": draw.choice(("HC", "LIMIT")) if status == "Refused" else "XAP",
        "AMT_APPLICATION": _amount(draw),
        "AMT_CREDIT": draw.choice((0.0, _amount(draw))),
        "AMT_GOODS_PRICE": draw.choice((None, _amount(draw))),
        "AMT_ANNUITY": draw.choice((None, _amount(draw))),
        "CNT_PAYMENT": draw.choice((None, 0.0, 1.0, 6.0, 24.0)),
        "RATE_DOWN_PAYMENT": draw.choice((None, draw.random())),
        "DAYS_LAST_DUE_1ST_VERSION": draw.choice((None, 365_243.0, float(decided + 30 * draw.randint(1, 20)))),
    }
    running = 365_243.0 if status == "Approved" else None
    yield "previous_application", event("previous_application", decided, client, t0, **fixed, DAYS_LAST_DUE=running)
    if running and ended > decided:
        yield "previous_application", event("previous_application", ended, client, t0, **fixed, DAYS_LAST_DUE=ended)
    for number in range(1, draw.randint(1, 5)):
        yield from _random_instalment(draw, client, t0, key, number, decided + 30 * number)


def _random_instalment(
    draw: Random, client: int, t0: datetime, key: int, number: int, due: int
) -> Iterator[tuple[str, Row]]:
    keys = {"SK_ID_PREV": key, "NUM_INSTALMENT_VERSION": 1.0, "NUM_INSTALMENT_NUMBER": number}
    values = keys | {"DAYS_INSTALMENT": float(due), "AMT_INSTALMENT": draw.choice((0.0, _amount(draw)))}
    payments = sorted(due + draw.choice((-40, -3, 0, 2, 11, 90)) for _ in range(draw.randint(0, 2)))
    if not payments or payments[-1] > due:
        yield "installments_payments", event("installments_payments", due, client, t0, **values)
    for paid in payments:
        payment = {"DAYS_ENTRY_PAYMENT": float(paid), "AMT_PAYMENT": _amount(draw)}
        yield "installments_payments", event("installments_payments", paid, client, t0, **values, **payment)


def _random_months(
    draw: Random, client: int, t0: datetime, key: int, table: str, state: Callable[[Random], Row]
) -> Iterator[tuple[str, Row]]:
    """Months of one loan or card, some left out, some known in several versions."""
    first = draw.randint(-24, 2)
    for month in range(first, first + draw.randint(0, 15)):
        for known in _moments(draw, month, t0) if draw.random() < 0.9 else ():
            keys = {"SK_ID_PREV": key, "MONTHS_BALANCE": month}
            yield table, event(table, known, client, t0, **keys, **state(draw))


def _moments(draw: Random, month: int, t0: datetime) -> tuple[datetime, ...]:
    """When the versions of a month became known."""
    end = month_end(month, t0)
    return (end,) if draw.random() < 0.7 else (end, end + timedelta(days=draw.randint(1, 90)))


def _pos_state(draw: Random) -> Row:
    return {
        "CNT_INSTALMENT": draw.choice((None, 6.0, 12.0)),
        "CNT_INSTALMENT_FUTURE": draw.choice((None, 0.0, float(draw.randint(0, 12)))),
        "NAME_CONTRACT_STATUS": draw.choice(("Active", "Active", "Completed", "Signed")),
        "SK_DPD": draw.choice((0, 0, 0, draw.randint(1, 40))),
        "SK_DPD_DEF": draw.choice((0, 0, 3)),
    }


def _card_state(draw: Random) -> Row:
    drawn = draw.random() < 0.8
    return {
        "AMT_BALANCE": draw.choice((0.0, -4.5, _amount(draw), _amount(draw))),
        "AMT_CREDIT_LIMIT_ACTUAL": draw.choice((0, 4_500, 9_000)),
        "CNT_DRAWINGS_ATM_CURRENT": float(draw.randint(0, 5)) if drawn else None,
        "AMT_DRAWINGS_ATM_CURRENT": _amount(draw) if drawn else None,
        "CNT_DRAWINGS_CURRENT": draw.randint(0, 9),
        "AMT_DRAWINGS_CURRENT": draw.choice((0.0, _amount(draw))),
        "AMT_INST_MIN_REGULARITY": draw.choice((None, 0.0, _amount(draw))),
        "AMT_PAYMENT_TOTAL_CURRENT": draw.choice((0.0, _amount(draw))),
        "CNT_INSTALMENT_MATURE_CUM": draw.choice((None, float(draw.randint(0, 30)))),
        "NAME_CONTRACT_STATUS": draw.choice(("Active", "Completed")),
        "SK_DPD": draw.choice((0, 0, draw.randint(1, 40))),
        "SK_DPD_DEF": draw.choice((0, 0, 3)),
    }


def month_end(months: int, t0: datetime = T0) -> datetime:
    """The last microsecond of the month that lies `months` after the month of T0."""
    number = t0.year * 12 + t0.month + months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) - timedelta(microseconds=1)


def _amount(draw: Random) -> float:
    return draw.randint(1, 9_999_999) / 1_000
