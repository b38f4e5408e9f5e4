"""Checks raw rows against typed columns; every finding becomes one problem text per column and kind."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.fresh.raw_files import RawRows

Kind = Literal["whole", "number", "text"]
_INT64: Final = 2**63


@dataclass(frozen=True, slots=True)
class Column:
    """What a column must hold."""

    name: str
    kind: Kind
    type: pa.DataType
    nullable: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """Columns of a file: arrays in the declared order, null where a value was wrong, and what was wrong.

    `faulty` names the columns with a problem.
    """

    table: pa.Table
    problems: tuple[str, ...]
    faulty: frozenset[str]


def check_columns(rows: RawRows, columns: Sequence[Column]) -> Checked:
    """Check names, kinds, ranges and missing values of all rows."""
    names = [column.name for column in columns]
    extra = sorted({name for row in rows for name in row} - set(names))
    problems = [f"unexpected column {name}" for name in extra]
    arrays, faulty = [], set()
    for column in columns:
        array, found = _column(rows, column)
        arrays.append(array)
        if found:
            problems += found
            faulty.add(column.name)
    return Checked(pa.table(dict(zip(names, arrays, strict=True))), tuple(problems), frozenset(faulty))


def _column(rows: RawRows, column: Column) -> tuple[pa.Array, list[str]]:
    absent = [number for number, row in enumerate(rows, 1) if column.name not in row]
    values = [_plain(row.get(column.name)) for row in rows]
    wrong = [at for at, value in enumerate(values) if value is not None and not _FITS[column.kind](value)]
    problems = [f"missing column {column.name}{_where(absent, rows)}"] if absent else []
    if wrong:
        problems.append(
            f"column {column.name}: {len(wrong)} values are no {_MEANING[column.kind]}, "
            f"e.g. {values[wrong[0]]!r} in row {wrong[0] + 1}"
        )
    if not column.nullable:
        problems += _missing(column, values, set(absent))
    for at in wrong:
        values[at] = None
    array = _array(column, values)
    if array is None:
        return pa.nulls(len(values), column.type), [*problems, f"column {column.name}: values do not fit {column.type}"]
    return array, problems


def _array(column: Column, values: Sequence[Any]) -> pa.Array | None:
    """The values in the column's type, or None if it is too narrow for one of them."""
    try:
        array = pa.array([_typed(column.kind, value) for value in values], column.type)
    except (pa.ArrowInvalid, OverflowError):
        return None
    if column.kind == "number" and pc.any(pc.is_inf(array)).as_py():
        return None
    return array


def _missing(column: Column, values: Sequence[Any], absent: set[int]) -> Iterator[str]:
    missing = [number for number, value in enumerate(values, 1) if value is None and number not in absent]
    if missing:
        yield f"column {column.name}: {len(missing)} values are missing, e.g. in row {missing[0]}"


def _where(absent: Sequence[int], rows: RawRows) -> str:
    return "" if len(absent) == len(rows) else f" in {len(absent)} rows, e.g. row {absent[0]}"


def _plain(value: Any) -> Any:
    """A NaN is how many tools write a missing number."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and int(value) == value and -_INT64 <= value < _INT64


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _typed(kind: Kind, value: Any) -> Any:
    if value is None or kind == "text":
        return value
    return int(value) if kind == "whole" else float(value)


_FITS: Final[dict[Kind, Callable[[Any], bool]]] = {"whole": _is_whole, "number": _is_number, "text": _is_text}
_MEANING: Final[dict[Kind, str]] = {
    "whole": "whole numbers (64 bit)",
    "number": "finite numbers",
    "text": "texts",
}
