"""The newest row per client in some files of a view. Imports no feast, so that a task anywhere starts at once."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from credit.clock import bucket_of
from credit.errors import FeatureError
from feature_repo.storage import Location

#: Rows handed over at a time: bounds what packing needs beside them to some ten megabytes.
ROWS_PER_BATCH: Final = 10_000
_TIME: Final = pa.timestamp("us", "UTC")
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Event timestamps from `start` to `end`, both inside, in microseconds since 1970 (UTC)."""

    start_us: int
    end_us: int

    @classmethod
    def between(cls, start: datetime, end: datetime) -> "Window":
        """The window of two moments; one without a zone is in UTC."""
        return cls(*((_in_utc(moment) - _EPOCH) // timedelta(microseconds=1) for moment in (start, end)))


#: Every row there is.
ALWAYS: Final = Window(-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class RowColumns:
    """Columns of a view's files: client, event timestamp, created timestamp if there is one, features."""

    client: str
    event: str
    created: str | None
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """The clients of one bucket of so many, wherever they lie."""

    bucket: int
    buckets: int


def newest_rows(
    columns: RowColumns, files: Sequence[Location], window: Window, share: Share | None = None
) -> Iterator[pa.Table]:
    """The newest row of every client inside the window, in batches: keys, times and features of the view.

    Of rows of equal event timestamp the one of the newest created timestamp is the newest, then the one of the last
    file. A file whose statistics exclude the window is not read; features are read of files that hold a newest row
    only, one file at a time. With a `share` other clients are left out.

    Raises:
        FeatureError: a file lacks a column of the view, or a row its client or event timestamp.
    """
    keys = [name for name in (columns.client, columns.event, columns.created) if name]
    names = [*keys, *columns.features]
    with ExitStack() as stack:
        opened = [(file, stack.enter_context(file.open_parquet())) for file in files]
        chosen = [one for one in opened if _may_hold(*one, names, columns.event, window)]
        if not chosen:
            return
        for index, rows in _newest([_keys(*one, keys) for one in chosen], window, share):
            found = chosen[index][1].read(names, use_threads=False)
            if rows.size < found.num_rows:
                found = found.take(pa.array(rows))
            for start in range(0, found.num_rows, ROWS_PER_BATCH):
                yield found.slice(start, ROWS_PER_BATCH)


def _keys(file: Location, parquet: pq.ParquetFile, names: list[str]) -> NDArray[np.int64]:
    """Client, event and created timestamp (microseconds; 0 without one) as rows of a matrix."""
    table = parquet.read(names, use_threads=False)
    if table[names[0]].null_count or table[names[1]].null_count:
        raise FeatureError(f"{file} has rows without {names[0]} or {names[1]}")
    columns = [table[names[0]].cast(pa.int64()).to_numpy()]
    columns += [table[name].cast(_TIME).cast(pa.int64()).fill_null(0).to_numpy() for name in names[1:]]
    columns += [np.zeros(table.num_rows, np.int64)] * (3 - len(columns))
    return np.stack(columns)


def _newest(
    files: list[NDArray[np.int64]], window: Window, share: Share | None
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Index of each file that holds newest rows, with their places in it."""
    client, event, created = np.concatenate(files, axis=1)
    file = np.repeat(np.arange(len(files)), [keys.shape[1] for keys in files])
    place = np.concatenate([np.arange(keys.shape[1]) for keys in files])
    wanted = (event >= window.start_us) & (event <= window.end_us)
    if share is not None:
        wanted &= bucket_of(client, share.buckets) == share.bucket
    inside = np.flatnonzero(wanted)
    order = inside[np.lexsort([part[inside] for part in (place, file, created, event, client)])]
    last = order[np.append(client[order][1:] != client[order][:-1], True)] if order.size else order
    for index in np.unique(file[last]).tolist():
        yield index, np.sort(place[last[file[last] == index]])


def _may_hold(file: Location, parquet: pq.ParquetFile, columns: list[str], event: str, window: Window) -> bool:
    """Whether a file may hold rows of the window, by the statistics in its footer."""
    footer = parquet.metadata
    schema = footer.schema.to_arrow_schema()
    missing = [name for name in columns if name not in schema.names]
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    if missing and not footer.num_rows:
        return False
    if missing:
        lost = ", ".join(missing[:5])
        raise FeatureError(f"{file} lacks {lost}: run {file.parent.name} is of another catalogue; build it again")
    index = schema.get_field_index(event)
    if schema.field(index).type != _TIME:
        return True
    statistics = [group.column(index).statistics for group in groups if group.num_rows]
    return any(
        found is None or not found.has_min_max or (found.min_raw <= window.end_us and found.max_raw >= window.start_us)
        for found in statistics
    )


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
