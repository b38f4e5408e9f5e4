"""New applications in the raw columns of application_test: checked as ingestion does, turned into events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from credit.errors import DataError
from credit.schemas.categories import UNKNOWN, known_categories
from credit.schemas.raw import RawType, raw_tables
from feature_repo.fresh.columns import Checked, Column, Kind, check_columns
from feature_repo.fresh.raw_files import RawRows, read_rows
from feature_repo.ingest.checks import check_tables
from feature_repo.ingest.events import APPLICATION, TIME_COLUMNS, UnknownCategory, event_schema
from feature_repo.sql_engine import connect

_TABLE: Final = raw_tables()["application_test"]
_KINDS: Final[dict[RawType, tuple[Kind, pa.DataType]]] = {
    "int64": ("whole", pa.int64()),
    "float64": ("number", pa.float64()),
    "string": ("text", pa.string()),
}
_COLUMNS: Final = tuple(Column(one.name, *_KINDS[one.type], one.nullable) for one in _TABLE.columns)


@dataclass(frozen=True, slots=True)
class Applications:
    """Checked applications: the columns of application_test, one row per client; unknown categories replaced."""

    table: pa.Table
    unknown_categories: tuple[UnknownCategory, ...]

    @property
    def clients(self) -> list[int]:
        """Client ids in row order."""
        ids: list[int] = self.table["SK_ID_CURR"].to_pylist()
        return ids

    def events(self, at: datetime) -> pa.Table:
        """The rows as events of the moment `at`, in the schema of the event table."""
        moments = pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), self.table.num_rows)
        columns = dict(zip(self.table.column_names, self.table.columns, strict=True))
        columns |= {"TARGET": pa.nulls(self.table.num_rows, pa.int64())} | dict.fromkeys(TIME_COLUMNS, moments)
        schema = event_schema(APPLICATION)
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def read_applications(path: Path) -> Applications:
    """The applications in a file.

    Raises:
        DataError: the file cannot be read, or lists every problem of its rows.
    """
    numeric = [column.name for column in _COLUMNS if column.kind != "text"]
    return checked_applications(read_rows(path, numeric), str(path))


def checked_applications(rows: RawRows, source: str = "the applications") -> Applications:
    """Check rows of names and values.

    Raises:
        DataError: lists every problem; `source` names the rows.
    """
    checked = check_columns(rows, _COLUMNS)
    problems = [*checked.problems, *_value_problems(checked)]
    if problems:
        raise DataError(f"{source}: nothing was pushed. Problems:", problems)
    return _known_values(checked.table)


def _value_problems(checked: Checked) -> list[str]:
    """What ingestion checks of values and keys, for the columns without a problem so far."""
    with TemporaryDirectory() as folder, connect() as connection:
        path = Path(folder) / "applications.parquet"
        pq.write_table(checked.table, path)
        found = check_tables(connection, {_TABLE.name: path})
    texts = [text.removeprefix(f"{_TABLE.file_name}: ") for text in found]
    return [text for text in texts if not any(text.startswith(f"column {name}:") for name in checked.faulty)]


def _known_values(table: pa.Table) -> Applications:
    unknown: list[UnknownCategory] = []
    for column, known in known_categories()[APPLICATION].items():
        values = table[column].combine_chunks()
        strange = pc.and_(values.is_valid(), pc.invert(pc.is_in(values, pa.array(known))))
        unknown += _counted(column, values.filter(strange).value_counts().to_pylist())
        replaced = pc.if_else(strange, pa.scalar(UNKNOWN), values)
        table = table.set_column(table.column_names.index(column), column, replaced)
    return Applications(table, tuple(unknown))


def _counted(column: str, counts: Sequence[dict[str, object]]) -> list[UnknownCategory]:
    return [
        UnknownCategory(table=APPLICATION, column=column, value=str(one["values"]), rows=int(str(one["counts"])))
        for one in counts
    ]
