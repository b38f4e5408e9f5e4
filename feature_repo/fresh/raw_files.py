"""Rows of a small file that a person or another system hands over: JSON, JSON lines, CSV or Parquet."""

import csv
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from credit.errors import DataError

#: Rows as they stand in the file: names to values, None where there is none.
RawRows = list[dict[str, Any]]
_KINDS = "a .json, .jsonl, .ndjson, .csv or .parquet file"
_NOTHING = ("", "nan", "NaN")


def read_rows(path: Path, numeric: Collection[str]) -> RawRows:
    """The rows of a file, whose kind its name's ending tells.

    Args:
        path: JSON (one object, or a list of them), JSON lines, CSV with a header, or Parquet.
        numeric: columns whose texts are numbers, for CSV, which has nothing but texts. What is no number stays text.

    Raises:
        DataError: the file cannot be read, or has rows of no such shape.
    """
    try:
        rows = _read(path, numeric)
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid, csv.Error, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not rows:
        raise DataError(f"{path} holds no rows")
    return rows


def _read(path: Path, numeric: Collection[str]) -> RawRows:
    kind = path.suffix.lower()
    if kind == ".parquet":
        rows: RawRows = pq.read_table(path).to_pylist()
        return rows
    if kind == ".csv":
        return list(_csv_rows(path, numeric))
    if kind in (".json", ".jsonl", ".ndjson"):
        return _json_rows(path.read_text("utf-8-sig"))
    raise DataError(f"{path}: expected {_KINDS}")


def _json_rows(text: str) -> RawRows:
    try:
        parsed = _parsed(text)
    except json.JSONDecodeError:
        parsed = [_parsed(line) for line in text.splitlines() if line.strip()]
    rows: list[Any] = parsed if isinstance(parsed, list) else [parsed]
    odd = next((number for number, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    if odd is not None:
        raise ValueError(f"row {odd} is no JSON object of names and values")
    return rows


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"an object repeats a name among {', '.join(name for name, _ in pairs[:5])} ...")
    return found


def _csv_rows(path: Path, numeric: Collection[str]) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        header = next(lines, [])
        repeated = sorted({name for name in header if header.count(name) > 1})
        if repeated:
            raise ValueError(f"repeated columns {', '.join(repeated)}")
        for line in lines:
            if len(line) != len(header):
                raise ValueError(f"line {lines.line_num} has {len(line)} fields, the header {len(header)}")
            yield {name: _csv_value(text, name in numeric) for name, text in zip(header, line, strict=True)}


def _csv_value(text: str, numeric: bool) -> str | int | float | None:
    if text in _NOTHING:
        return None
    # Python, unlike everybody else, reads 1_000 as a number.
    for convert in (int, float) if numeric and "_" not in text else ():
        try:
            return convert(text)
        except ValueError:
            continue
    return text
