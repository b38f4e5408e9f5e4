"""Text values outside the known vocabularies: counted, then replaced by UNKNOWN."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from credit.schemas.categories import UNKNOWN, known_categories
from credit.schemas.raw import APPLICATION_TABLES
from feature_repo.ingest.engine import identifier, quoted
from feature_repo.ingest.events import APPLICATION, UnknownCategory, raw_table

#: A column of free text must not flood the report; the rarest are left out of it.
_MOST_VALUES = 100


def unknown_categories(
    connection: duckdb.DuckDBPyConnection, staged: Sequence[Mapping[str, Path]]
) -> tuple[UnknownCategory, ...]:
    """Unknown values of all staged files, most frequent first within each column."""
    found = []
    for table, columns in known_categories().items():
        raw = APPLICATION_TABLES if table == APPLICATION else (table,)
        files = [files[name] for files in staged for name in raw if name in files]
        for column, known in columns.items():
            rows = connection.execute(_count_sql(files, column, known)).fetchall()
            found += [UnknownCategory(table=table, column=column, value=value, rows=rows) for value, rows in rows]
    return tuple(found)


def _count_sql(files: Sequence[Path], column: str, known: Sequence[str]) -> str:
    name = identifier(column)
    union = " UNION ALL ".join(f"SELECT {name} FROM {quoted(path)}" for path in files)
    vocabulary = ", ".join(map(quoted, known))
    return (
        f"SELECT {name}, count(*) FROM ({union}) WHERE {name} NOT IN ({vocabulary}) "
        f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_VALUES}"
    )


def known_values(table: str, unknown: Sequence[UnknownCategory]) -> dict[str, str]:
    """SQL of the columns of an event table's text that hold unknown values: those become UNKNOWN, nulls stay."""
    touched = {each.column for each in unknown if each.table == table}
    names = [column.name for column in raw_table(table).columns if column.name in touched]
    return {name: _replaced(name, known_categories()[table][name]) for name in names}


def _replaced(column: str, known: Sequence[str]) -> str:
    name = identifier(column)
    vocabulary = ", ".join(map(quoted, known))
    return f"CASE WHEN {name} NOT IN ({vocabulary}) THEN {quoted(UNKNOWN)} ELSE {name} END"
