"""SQL that turns source rows into events: what happened when, and what the lender knew when.

A part (one table, one bucket of clients) has the raw columns, SK_ID_CURR, `t0` (UTC, without zone) and `later`: whether
the row came from `later/`. Dates are days or months relative to t0. Rules for the delivered files:

- They show the world as of T0. A row that would be known at T0 or after becomes known one second before T0.
- An actual (not planned) date after T0 cannot have been on the lender's table: it is treated as not known yet.
"""

from pathlib import Path

from credit.schemas.raw import DAYS_SENTINEL
from feature_repo.ingest.engine import identifier, quoted
from feature_repo.ingest.events import APPLICATION, TIME_COLUMNS, event_columns, raw_table

_INSTALMENT = ("SK_ID_PREV", "NUM_INSTALMENT_VERSION", "NUM_INSTALMENT_NUMBER")
#: Outcomes of a previous application that are not known at its decision; the sentinel says "not yet".
_OUTCOMES = ("DAYS_FIRST_DRAWING", "DAYS_LAST_DUE", "DAYS_TERMINATION")


def state_sql(table: str, part: Path, lives_on: bool) -> str:
    """A query of the table's events (columns of `event_schema`), sorted by client, key and known_ts.

    Args:
        table: one of EVENT_TABLES.
        part: glob of the part's Parquet files.
        lives_on: whether rows of `later/` can be among them.
    """
    rows = f"read_parquet({quoted(part)}, hive_partitioning=false)"
    dated = _DATED.get(table, _monthly)(rows)
    return f"SELECT {_columns(table)} FROM ({_versions(table, dated, lives_on)}) ORDER BY {_order(table)}"


def _application(rows: str) -> str:
    return f"SELECT *, t0 AS event_ts, t0 AS known_ts FROM {rows}"


def _bureau(rows: str) -> str:
    actual = ", ".join(f"{_actual(name)} AS {name}" for name in ("DAYS_CREDIT_UPDATE", "DAYS_ENDDATE_FACT"))
    known = _day("greatest(DAYS_CREDIT, DAYS_CREDIT_UPDATE, DAYS_ENDDATE_FACT)")
    return _clamped(f"SELECT * REPLACE ({actual}) FROM {rows}", _day("DAYS_CREDIT"), known)


def _monthly(rows: str) -> str:
    month_end = "date_trunc('month', t0) + to_months((MONTHS_BALANCE + 1)::INTEGER) - INTERVAL 1 MICROSECOND"
    return _clamped(f"SELECT * FROM {rows}", month_end, month_end)


def _previous_application(rows: str) -> str:
    outcomes = ", ".join(
        f"CASE WHEN {_actual(name)} > DAYS_DECISION AND {name} <> {DAYS_SENTINEL} THEN {name}::BIGINT END"
        for name in _OUTCOMES
    )
    moments = f"SELECT *, unnest(list_distinct([DAYS_DECISION, {outcomes}])) AS moment FROM {rows}"
    masked = ", ".join(
        f"CASE WHEN {name} > moment THEN {DAYS_SENTINEL} ELSE {name} END AS {name}" for name in _OUTCOMES
    )
    return _clamped(f"SELECT * REPLACE ({masked}) FROM ({moments})", _day("DAYS_DECISION"), _day("moment"))


def _installments_payments(rows: str) -> str:
    """Payments, and the instalments that were due and not (all) paid on their day."""
    paid = "DAYS_ENTRY_PAYMENT IS NOT NULL"
    actual = (
        f"SELECT * REPLACE ({_actual('DAYS_ENTRY_PAYMENT')} AS DAYS_ENTRY_PAYMENT, "
        f"CASE WHEN later OR DAYS_ENTRY_PAYMENT <= 0 THEN AMT_PAYMENT END AS AMT_PAYMENT) FROM {rows}"
    )
    payment, due = _day("DAYS_ENTRY_PAYMENT"), _day("DAYS_INSTALMENT")
    payments = _clamped(f"SELECT * FROM ({actual}) WHERE {paid}", payment, payment)
    open_rows = (
        f"SELECT * REPLACE (NULL::DOUBLE AS DAYS_ENTRY_PAYMENT, NULL::DOUBLE AS AMT_PAYMENT) FROM ({actual}) "
        f"WHERE DAYS_INSTALMENT IS NOT NULL AND (NOT {paid} OR DAYS_ENTRY_PAYMENT > DAYS_INSTALMENT)"
    )
    # Part payments, and the same instalment in later/, say the same thing once.
    first = "SELECT * EXCLUDE (later, event_ts, known_ts), min(event_ts) AS event_ts, min(known_ts) AS known_ts"
    unpaid = f"{first} FROM ({_clamped(open_rows, due, due)}) GROUP BY ALL"
    return f"SELECT * EXCLUDE (later) FROM ({payments}) UNION ALL BY NAME {unpaid}"


_DATED = {
    APPLICATION: _application,
    "bureau": _bureau,
    "previous_application": _previous_application,
    "installments_payments": _installments_payments,
}


def _actual(name: str) -> str:
    """A date that happened: delivered files cannot know one after T0, unless it is the sentinel."""
    return f"CASE WHEN later OR {name} <= 0 OR {name} = {DAYS_SENTINEL} THEN {name} END"


def _day(days: str) -> str:
    return f"t0 + to_days(({days})::INTEGER)"


def _clamped(rows: str, event: str, known: str) -> str:
    known = f"CASE WHEN later THEN {known} ELSE least({known}, t0 - INTERVAL 1 SECOND) END"
    dated = f"SELECT *, {event} AS event_ts, {known} AS known_ts FROM ({rows})"
    return f"SELECT * REPLACE (least(event_ts, known_ts) AS event_ts) FROM ({dated})"


def _versions(table: str, dated: str, lives_on: bool) -> str:
    """One row for each state of a key: `later/` repeats states, and knows nothing new of a key before T0.

    Only rows of `later/` are compared: a delivered row is known before T0 and its key is unique.
    """
    key = raw_table(table).key
    if not lives_on or not key or table == APPLICATION:
        return dated
    keys = ", ".join(map(identifier, key))
    columns = ", ".join(identifier(column.name) for column in event_columns(table))
    return (
        f"WITH dated AS MATERIALIZED ({dated}), delivered AS (SELECT {keys} FROM dated WHERE NOT later), "
        "news AS (SELECT * FROM dated WHERE later "
        f"QUALIFY row_number() OVER (PARTITION BY {keys}, known_ts ORDER BY hash({columns})) = 1) "
        "SELECT * FROM dated WHERE NOT later UNION ALL SELECT * FROM news WHERE known_ts >= t0 "
        f"UNION ALL (SELECT * FROM news ANTI JOIN delivered USING ({keys}) WHERE known_ts < t0)"
    )


def _columns(table: str) -> str:
    names = [identifier(column.name) for column in event_columns(table)]
    return ", ".join(names + [f"make_timestamptz(epoch_us({name})) AS {name}" for name in TIME_COLUMNS])


def _order(table: str) -> str:
    key = raw_table(table).key or (*_INSTALMENT, "DAYS_INSTALMENT", "AMT_INSTALMENT")
    tail = () if raw_table(table).key else ("DAYS_ENTRY_PAYMENT", "AMT_PAYMENT")
    names = dict.fromkeys(("SK_ID_CURR", *key, "known_ts", *tail))
    return ", ".join(map(identifier, names))
