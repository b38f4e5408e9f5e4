"""Rows of a view that somebody computed elsewhere: checked against the catalogue."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from credit.errors import DataError
from feature_repo.aggregates.compute import view_schema
from feature_repo.catalogue import View
from feature_repo.fresh.columns import Column, Kind, check_columns
from feature_repo.fresh.raw_files import RawRows, read_rows

_KEY: Final = "SK_ID_CURR"
_AS_OF: Final = "as_of"


def read_view_rows(path: Path, view: View) -> pa.Table:
    """The rows in a file, in the schema that `compute_view` answers in.

    Raises:
        DataError: the file cannot be read, or lists every problem of its rows.
    """
    numeric = [column.name for column in _columns(view) if column.kind != "text"]
    return checked_view_rows(read_rows(path, numeric), view, str(path))


def checked_view_rows(rows: RawRows, view: View, source: str = "the rows") -> pa.Table:
    """Check rows of names and values: every feature of the view must be there, null where there is none.

    Raises:
        DataError: lists every problem; `source` names the rows.
    """
    moments = [_moment(row.get(_AS_OF)) for row in rows]
    checked = check_columns([{name: row[name] for name in row if name != _AS_OF} for row in rows], _columns(view))
    problems = [*checked.problems, *_moment_problems(rows, moments)]
    table = checked.table.add_column(1, _AS_OF, pa.array(moments, pa.timestamp("us", "UTC")))
    problems += _key_problems(table)
    if problems:
        raise DataError(f"{source}: nothing was pushed to {view.name}. Problems:", problems)
    return table.cast(view_schema(view))


def _columns(view: View) -> tuple[Column, ...]:
    fields = [field for field in view_schema(view) if field.name != _AS_OF]
    return tuple(Column(field.name, _kind(field.type), field.type, field.name != _KEY) for field in fields)


def _kind(kind: pa.DataType) -> Kind:
    if pa.types.is_integer(kind):
        return "whole"
    return "text" if pa.types.is_string(kind) else "number"


def _moment(value: Any) -> datetime | None:
    """A moment in UTC; one without time zone is in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _moment_problems(rows: RawRows, moments: list[datetime | None]) -> list[str]:
    absent = [number for number, row in enumerate(rows, 1) if row.get(_AS_OF) is None]
    wrong = [at for at, (row, moment) in enumerate(zip(rows, moments, strict=True)) if row.get(_AS_OF) and not moment]
    problems = [f"column {_AS_OF}: {len(absent)} values are missing, e.g. in row {absent[0]}"] if absent else []
    if wrong:
        example = rows[wrong[0]][_AS_OF]
        problems.append(
            f"column {_AS_OF}: {len(wrong)} values are no timestamps (like 2024-05-01T00:00:00Z), "
            f"e.g. {example!r} in row {wrong[0] + 1}"
        )
    return problems


def _key_problems(table: pa.Table) -> list[str]:
    problems = []
    ids = table[_KEY].drop_null()
    if pc.any(pc.less_equal(ids, 0)).as_py():
        problems.append(f"column {_KEY}: {pc.sum(pc.less_equal(ids, 0)).as_py()} values are not positive ids")
    complete = table.select([_KEY, _AS_OF]).drop_null()
    repeated = complete.group_by([_KEY, _AS_OF]).aggregate([([], "count_all")]).filter(pc.field("count_all") > 1)
    if repeated.num_rows:
        example = repeated.sort_by([(_KEY, "ascending"), (_AS_OF, "ascending")]).slice(0, 1).to_pylist()[0]
        problems.append(
            f"{repeated.num_rows} rows are repeated, e.g. client {example[_KEY]} at {example[_AS_OF].isoformat()}"
        )
    return problems
