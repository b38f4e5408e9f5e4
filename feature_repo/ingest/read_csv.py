"""One CSV to one typed Parquet file; every finding about header, lines and types becomes a problem text."""

import csv
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from credit.schemas.raw import RawColumn, RawTable
from feature_repo.ingest.engine import identifier, quoted
from feature_repo.ingest.source import TableFile

#: More faulty lines than this are not counted one by one.
_MOST_REJECTS = 10_000
_DIALECT = "auto_detect=false, header=true, delim=',', quote='\"', escape='\"', nullstr=['', 'nan', 'NaN']"
_CONVERSION = re.compile(r'Could not convert string "(.*)" to', re.DOTALL)
_MEANING = {"int64": "whole numbers", "float64": "numbers"}


def read_csv(
    connection: duckdb.DuckDBPyConnection, table: RawTable, file: TableFile, target: Path, allow_extra: bool
) -> list[str]:
    """Write the table's columns to `target` (Parquet, schema order) and return the problems found.

    A value that is no number, a line of the wrong length or encoding, a missing or extra column is a problem. Whole
    numbers may be written as "1.0". Nothing is written if the header is unusable.
    """
    try:
        header = _header(file)
        problems = _header_problems(table, header, allow_extra)
        if problems:
            return [f"{file.name}: {problem}" for problem in problems]
        path = _plain_path(file, target.with_suffix(".csv"))
        scan = _scan(path, table, header)
        connection.execute(f"COPY (SELECT {_typed(table)} FROM {scan}) TO {quoted(target)} (FORMAT parquet)")
        problems = _rejected(connection) + _not_whole(connection, table, target, path, header)
    except UnicodeDecodeError:
        problems = ["is not UTF-8 text"]
    except (EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, csv.Error) as error:
        problems = [f"cannot be read: {error}"]
    except duckdb.Error as error:
        problems = [f"cannot be read: {str(error).splitlines()[0]}"]
    finally:
        target.with_suffix(".csv").unlink(missing_ok=True)
    return [f"{file.name}: {problem}" for problem in problems]


def _header(file: TableFile) -> list[str]:
    with file.open() as stream:
        line = stream.readline().decode("utf-8-sig")
    return next(csv.reader([line]), [])


def _header_problems(table: RawTable, header: Sequence[str], allow_extra: bool) -> list[str]:
    if not header:
        return ["is empty: not even a header"]
    missing = [name for name in table.column_names if name not in header]
    extra = [name for name in header if name not in table.column_names]
    repeated = sorted({name for name in header if header.count(name) > 1})
    problems = [f"missing column {name}" for name in missing]
    problems += [f"repeated column {name}" for name in repeated]
    if extra and not allow_extra:
        problems.append(f"unexpected columns {', '.join(map(repr, extra))} (--allow-extra ignores them)")
    return problems


def _plain_path(file: TableFile, scratch: Path) -> Path:
    """DuckDB reads plain and gzip files itself, but no zip."""
    if file.member is None:
        return file.path
    with file.open() as packed, scratch.open("wb") as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)
    return scratch


def _scan(path: Path, table: RawTable, header: Iterable[str], rejects: bool = True) -> str:
    columns = {column.name: column for column in table.columns}
    types = ", ".join(f"{quoted(name)}: {quoted(_read_type(columns.get(name)))}" for name in header)
    how = f"store_rejects=true, rejects_limit={_MOST_REJECTS}" if rejects else "ignore_errors=true"
    return f"read_csv({quoted(path)}, columns={{{types}}}, {_DIALECT}, strict_mode=true, {how})"


def _read_type(column: RawColumn | None) -> str:
    """Integers are read with decimals, because DuckDB would silently round 1.5 to 2; ids need more than a double."""
    if column is None or column.type == "string":
        return "VARCHAR"
    return "DECIMAL(38, 3)" if column.name.startswith("SK_ID_") else "DOUBLE"


def _typed(table: RawTable) -> str:
    return ", ".join(f"{_value(column)} AS {identifier(column.name)}" for column in table.columns)


def _value(column: RawColumn) -> str:
    name = identifier(column.name)
    if column.type != "int64":
        return name
    return f"CASE WHEN {name} = trunc({name}) THEN TRY_CAST({name} AS BIGINT) END"


def _rejected(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "SELECT error_type::VARCHAR, column_name, count(*), min_by(error_message, line), min(line) FROM reject_errors "
        "GROUP BY ALL ORDER BY min(line), column_name"
    ).fetchall()
    connection.execute("DROP TABLE reject_errors")
    connection.execute("DROP TABLE reject_scans")
    return [_reject_text(*row) for row in rows]


def _reject_text(kind: str, column: str | None, count: int, message: str, line: int) -> str:
    many = f"at least {count:,}" if count >= _MOST_REJECTS else f"{count:,}"
    if kind == "CAST":
        value = _CONVERSION.search(message)
        return f"column {column}: {many} values are not numbers, e.g. {value[1] if value else '?'!r} on line {line}"
    if kind == "INVALID ENCODING":
        return f"is not UTF-8 text: {many} lines, e.g. line {line}"
    return f"{many} lines are malformed ({kind.lower()}), e.g. line {line}"


def _not_whole(
    connection: duckdb.DuckDBPyConnection, table: RawTable, target: Path, path: Path, header: Sequence[str]
) -> list[str]:
    """Integer columns that ended with nulls: says apart missing values and values that are not whole numbers."""
    integers = [column.name for column in table.columns if column.type == "int64" and not column.nullable]
    counts = ", ".join(f"count(*) - count({identifier(name)})" for name in integers)
    row = connection.execute(f"SELECT {counts} FROM {quoted(target)}").fetchone() or ()
    incomplete = [name for name, nulls in zip(integers, row, strict=True) if nulls]
    scan = _scan(path, table, header, rejects=False)
    return [text for name in incomplete for text in _integer_problems(connection, name, scan)]


def _integer_problems(connection: duckdb.DuckDBPyConnection, name: str, scan: str) -> list[str]:
    column = identifier(name)
    nulls, broken, example = connection.execute(
        f"SELECT count_if({column} IS NULL), count_if(bad), min({column}::VARCHAR) FILTER (bad) FROM (SELECT {column}, "
        f"{column} IS NOT NULL AND ({column} <> trunc({column}) OR TRY_CAST({column} AS BIGINT) IS NULL) AS bad "
        f"FROM {scan})"
    ).fetchone() or (0, 0, None)
    problems = [f"column {name}: {nulls:,} values are missing"] if nulls else []
    if broken:
        problems.append(f"column {name}: {broken:,} values are not {_MEANING['int64']} (64 bit), e.g. {example}")
    return problems
