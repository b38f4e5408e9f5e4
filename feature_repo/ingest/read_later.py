"""One Parquet file of `later/` to staged Parquet with the raw table's exact types."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from credit.schemas.raw import RawColumn, RawTable, RawType
from feature_repo.ingest.engine import identifier, quoted

_SQL_TYPES: dict[RawType, str] = {"int64": "BIGINT", "float64": "DOUBLE", "string": "VARCHAR"}


def read_later(connection: duckdb.DuckDBPyConnection, table: RawTable, path: Path, target: Path) -> list[str]:
    """Write the table's columns to `target` in schema order and return the problems found."""
    name = f"later/{path.name}"
    try:
        schema = pq.read_schema(path)
        problems = _schema_problems(table, schema)
        if not problems:
            columns = ", ".join(_cast(column) for column in table.columns)
            connection.execute(f"COPY (SELECT {columns} FROM {quoted(path)}) TO {quoted(target)} (FORMAT parquet)")
            problems = _missing_values(connection, table, target)
    except (OSError, pa.ArrowInvalid, duckdb.Error) as error:
        problems = [f"cannot be read: {str(error).splitlines()[0]}"]
    return [f"{name}: {problem}" for problem in problems]


def _schema_problems(table: RawTable, schema: pa.Schema) -> list[str]:
    missing = [f"missing column {name}" for name in table.column_names if name not in schema.names]
    extra = [f"unexpected column {name}" for name in schema.names if name not in table.column_names]
    wrong = [
        f"column {column.name} is {schema.field(column.name).type}, not {column.type}"
        for column in table.columns
        if column.name in schema.names and not _fits(column, schema.field(column.name).type)
    ]
    return missing + extra + wrong


def _fits(column: RawColumn, found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_null(found):
        return column.nullable
    if column.type == "string":
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    return bool(pa.types.is_integer(found) or (column.type == "float64" and pa.types.is_floating(found)))


def _cast(column: RawColumn) -> str:
    name = identifier(column.name)
    # A NaN is how pandas writes a missing number.
    value = f"CASE WHEN NOT isnan({name}::DOUBLE) THEN {name} END" if column.type == "float64" else name
    return f"CAST({value} AS {_SQL_TYPES[column.type]}) AS {name}"


def _missing_values(connection: duckdb.DuckDBPyConnection, table: RawTable, target: Path) -> list[str]:
    integers = [column.name for column in table.columns if column.type == "int64"]
    counts = ", ".join(f"count(*) - count({identifier(name)})" for name in integers)
    row = connection.execute(f"SELECT {counts} FROM {quoted(target)}").fetchone() or ()
    return [f"column {name}: {n:,} values are missing" for name, n in zip(integers, row, strict=True) if n]
