"""Checks on typed tables: ids, keys, domains, dates. Each finding is one problem text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from credit.clock import WEEKDAYS
from credit.schemas.raw import APPLICATION_TABLES, DAYS_SENTINEL, RawTable, raw_tables
from feature_repo.ingest.engine import identifier, quoted

#: Columns that date events; beyond a thousand years they are no dates.
_DATING_DAYS = (
    "DAYS_CREDIT",
    "DAYS_CREDIT_UPDATE",
    "DAYS_ENDDATE_FACT",
    "DAYS_DECISION",
    "DAYS_FIRST_DRAWING",
    "DAYS_LAST_DUE",
    "DAYS_TERMINATION",
    "DAYS_INSTALMENT",
    "DAYS_ENTRY_PAYMENT",
)
_MOST_MONTHS = 12_000


@dataclass(frozen=True, slots=True)
class _Check:
    """A condition that no row may meet."""

    column: str
    condition: str
    finding: str


def check_tables(connection: duckdb.DuckDBPyConnection, staged: Mapping[str, Path]) -> list[str]:
    """Problems of the eight tables, by table name in `staged`; tables that could not be read are absent there."""
    problems = []
    for name, path in staged.items():
        table = raw_tables()[name]
        found = _value_problems(connection, table, path) + _duplicates(connection, table.key, path)
        problems += [f"{table.file_name}: {problem}" for problem in found]
    applications = [staged[name] for name in APPLICATION_TABLES if name in staged]
    if len(applications) == len(APPLICATION_TABLES):
        problems += _application_problems(connection, applications)
    return problems


def check_later(
    connection: duckdb.DuckDBPyConnection, main: Mapping[str, Path], later: Mapping[str, Path]
) -> list[str]:
    """Problems of `later/`: its values, and credits or loans that change their client."""
    problems = []
    for name, path in later.items():
        found = _value_problems(connection, raw_tables()[name], path)
        found += _changed_owners(connection, name, main, path)
        problems += [f"later/{name}.parquet: {problem}" for problem in found]
    return problems


def _value_problems(connection: duckdb.DuckDBPyConnection, table: RawTable, path: Path) -> list[str]:
    checks = list(_checks(table))
    counts = ", ".join(f"count_if({check.condition})" for check in checks)
    examples = ", ".join(f"min({identifier(check.column)}) FILTER ({check.condition})" for check in checks)
    row = connection.execute(f"SELECT {counts}, {examples} FROM {quoted(path)}").fetchone() or ()
    counted = zip(checks, row[: len(checks)], row[len(checks) :], strict=True)
    return [
        f"column {check.column}: {count:,} values {check.finding}, e.g. {example}"
        for check, count, example in counted
        if count
    ]


def _checks(table: RawTable) -> Iterator[_Check]:
    for column in table.columns:
        name, quoted_name = column.name, identifier(column.name)
        if name.startswith("SK_ID_"):
            yield _Check(name, f"{quoted_name} <= 0", "are not positive ids")
        if column.type == "float64":
            yield _Check(name, f"NOT isfinite({quoted_name})", "are not finite")
        if name in _DATING_DAYS:
            yield _Check(name, f"abs({quoted_name}) > {DAYS_SENTINEL}", "are no dates (more than 1,000 years away)")
        if name == "MONTHS_BALANCE":
            yield _Check(name, f"abs({quoted_name}) > {_MOST_MONTHS}", "are no months (more than 1,000 years away)")
    if table.name in APPLICATION_TABLES:
        yield from _application_checks(table)


def _application_checks(table: RawTable) -> Iterator[_Check]:
    weekday, hour = "WEEKDAY_APPR_PROCESS_START", "HOUR_APPR_PROCESS_START"
    days = ", ".join(map(quoted, WEEKDAYS))
    yield _Check(weekday, f"{weekday} IS NULL OR {weekday} NOT IN ({days})", "are no weekdays (MONDAY ... SUNDAY)")
    yield _Check(hour, f"{hour} NOT BETWEEN 0 AND 23", "are no hours (0 to 23)")
    if "TARGET" in table.column_names:
        yield _Check("TARGET", "TARGET NOT IN (0, 1)", "are neither 0 nor 1")


def _duplicates(connection: duckdb.DuckDBPyConnection, key: Sequence[str], path: Path) -> list[str]:
    if not key:
        return []
    columns = ", ".join(map(identifier, key))
    complete = " AND ".join(f"{identifier(column)} IS NOT NULL" for column in key)
    row = connection.execute(
        f"SELECT count(*) OVER (), {columns} FROM (SELECT {columns} FROM {quoted(path)} WHERE {complete} "
        "GROUP BY ALL HAVING count(*) > 1) ORDER BY ALL LIMIT 1"
    ).fetchone()
    if row is None:
        return []
    example = ", ".join(f"{column} = {value}" for column, value in zip(key, row[1:], strict=True))
    return [f"{row[0]:,} duplicate keys, e.g. {example}"]


def _application_problems(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> list[str]:
    train, test = map(quoted, paths)
    shared, example = connection.execute(
        f"SELECT count(*), min(SK_ID_CURR) FROM {train} SEMI JOIN {test} USING (SK_ID_CURR)"
    ).fetchone() or (0, None)
    problems = []
    if shared:
        problems.append(f"application_train and application_test share {shared:,} SK_ID_CURR, e.g. {example}")
    rows = connection.execute(f"SELECT (SELECT count(*) FROM {train}) + (SELECT count(*) FROM {test})").fetchone()
    if rows == (0,):
        problems.append("application_train.csv and application_test.csv hold no application at all")
    return problems


def _changed_owners(
    connection: duckdb.DuckDBPyConnection, name: str, main: Mapping[str, Path], later: Path
) -> list[str]:
    keys = {"bureau": "SK_ID_BUREAU", "previous_application": "SK_ID_PREV"}
    if name not in keys or name not in main:
        return []
    key = keys[name]
    count, example = connection.execute(
        f"SELECT count(*), min({key}) FROM (SELECT {key} FROM (SELECT {key}, SK_ID_CURR FROM {quoted(main[name])} "
        f"UNION SELECT {key}, SK_ID_CURR FROM {quoted(later)}) GROUP BY {key} HAVING count(*) > 1)"
    ).fetchone() or (0, None)
    return [f"{count:,} {key} belong to more than one client, e.g. {example}"] if count else []
