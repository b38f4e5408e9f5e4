"""The archive's files: some records that follow each other in the chain, all of one day, in one Parquet file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from credit.archive.chain import ChainedRecord, NewRecord, day_of
from credit.archive.place import Place
from credit.errors import DataError

_ID: Final = "[0-9a-f-]{36}"
_NAME: Final = re.compile(rf"(\d{{12}})_(\d{{12}})_({_ID})_({_ID})\.parquet")
_FOLDER: Final = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
#: Key in a file's metadata of the hash that its first record follows.
_PREVIOUS: Final = b"credit_previous"
#: Records that one look-up has to unpack.
_ROWS_PER_GROUP: Final = 200
#: What Arrow raises when it reads altered bytes: damage inside a page, for one, is a plain OSError.
_DAMAGE: Final = (pa.ArrowException, OSError, KeyError, ValueError)
_SCHEMA: Final = pa.schema(
    [
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("client_id", pa.int64(), nullable=False),
        pa.field("entry", pa.string(), nullable=False),
        pa.field("hash", pa.string(), nullable=False),
        pa.field("record", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One file, as its name describes it: first and last sequence, smallest and largest record id."""

    file: Place
    day: date
    first: int
    last: int
    smallest: str
    largest: str

    @classmethod
    def of(cls, file: Place) -> "Segment | None":
        """The segment that a file is, or None if it is something else."""
        name, folder = _NAME.fullmatch(file.name), _FOLDER.fullmatch(file.parent.name)
        if name is None or folder is None:
            return None
        return cls(file, date.fromisoformat(folder[1]), int(name[1]), int(name[2]), name[3], name[4])

    def may_hold(self, record_id: str) -> bool:
        """Whether a record of this id could be in the file."""
        return self.smallest <= record_id <= self.largest

    def rows(self) -> Iterator[ChainedRecord]:
        """Its records in order.

        Raises:
            DataError: the file is damaged.
        """
        with _reading(self.file) as parquet:
            for group in range(parquet.num_row_groups):
                yield from _chained(parquet.read_row_group(group, use_threads=False))

    def previous(self) -> str:
        """The hash that its first record follows.

        Raises:
            DataError: the file is damaged.
        """
        with _reading(self.file) as parquet:
            return str((parquet.schema_arrow.metadata or {})[_PREVIOUS].decode())

    def ids(self) -> set[str]:
        """Ids of its records.

        Raises:
            DataError: the file is damaged.
        """
        with _reading(self.file) as parquet:
            return set(parquet.read(["record_id"], use_threads=False)["record_id"].to_pylist())

    def find(self, record_id: str) -> ChainedRecord | None:
        """The record of an id; reads the row groups that may hold it, and of the others nothing.

        Raises:
            DataError: the file is damaged.
        """
        with _reading(self.file) as parquet:
            for group in range(parquet.num_row_groups):
                if not _may_hold(parquet.metadata.row_group(group), record_id):
                    continue
                found = parquet.read_row_group(group, use_threads=False)
                position = pc.index(found["record_id"], record_id).as_py()
                if position >= 0:
                    return next(_chained(found.slice(position, 1)))
        return None


def segments(folder: Place) -> list[Segment]:
    """The segments below a folder, in the chain's order."""
    found = [segment for file in folder.files() if (segment := Segment.of(file)) is not None]
    return sorted(found, key=lambda segment: (segment.first, segment.last))


def day_folder(folder: Place, day: date) -> Place:
    """The partition of one day."""
    return folder / f"date={day.isoformat()}"


def write_segment(folder: Place, records: Sequence[ChainedRecord], previous: str) -> None:
    """Write records of one day that follow each other; when this returns, the file is whole and kept.

    `previous` is the hash that the first one follows.
    """
    ids = [each.record.record_id for each in records]
    name = f"{records[0].sequence:012d}_{records[-1].sequence:012d}_{min(ids)}_{max(ids)}.parquet"
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist([_row(each) for each in records], _SCHEMA.with_metadata({_PREVIOUS: previous}))
    pq.write_table(table, sink, compression="zstd", row_group_size=_ROWS_PER_GROUP, write_page_checksum=True)
    (day_folder(folder, day_of(ids[0])) / name).write_bytes(sink.getvalue(), durable=True)


class _reading:  # noqa: N801 - reads like the function that it stands for
    """An open Parquet file whose damage is a DataError."""

    def __init__(self, file: Place) -> None:
        self._file = file

    def __enter__(self) -> pq.ParquetFile:
        try:
            self._open = self._file.open_parquet()
        except FileNotFoundError:
            raise
        except _DAMAGE as error:
            raise _damaged(self._file) from error
        return self._open

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._open.close()
        if isinstance(error, _DAMAGE):
            raise _damaged(self._file) from error


def _damaged(file: Place) -> DataError:
    return DataError(f"{file} cannot be read: it was altered or cut short, or its place stopped answering")


def _may_hold(group: pq.RowGroupMetaData, record_id: str) -> bool:
    at = _SCHEMA.get_field_index("record_id")
    statistics = group.column(at).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= record_id <= statistics.max)


def _row(each: ChainedRecord) -> dict[str, object]:
    record = each.record
    return {
        "sequence": each.sequence,
        "record_id": record.record_id,
        "decision_id": record.decision_id,
        "client_id": record.client_id,
        "entry": record.entry,
        "hash": each.hash,
        "record": record.text,
    }


def _chained(table: pa.Table) -> Iterator[ChainedRecord]:
    for row in table.to_pylist():
        record = NewRecord(row["entry"], row["record_id"], row["decision_id"], row["client_id"], row["record"])
        yield ChainedRecord(row["sequence"], row["hash"], record)
