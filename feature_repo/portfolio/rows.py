"""One bucket's newest rows as a feature reader would return them after materialising. Imports no feast."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from credit.schemas.features import ViewBatch, ViewSpec, ViewStatus
from feature_repo.compute.newest import ALWAYS, RowColumns, Share, newest_rows
from feature_repo.online.arrow import ARROW_TYPES, column_of, numbers_of, texts_of
from feature_repo.storage import Location

#: Where a view's rows belong among all clients.
_Places = NDArray[np.intp] | slice
_TIME: Final = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class ViewFiles:
    """The files of one view that hold rows of a bucket's clients."""

    spec: ViewSpec
    columns: RowColumns
    files: tuple[Location, ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the rows of one bucket's clients lie; with a `share`, files hold other clients too."""

    number: int
    views: tuple[ViewFiles, ...]
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class ClientRows:
    """The newest rows of n clients: ids in ascending order, shape (n,), and a batch per view by name."""

    client_ids: NDArray[np.int64]
    views: dict[str, ViewBatch]


def read_bucket(bucket: Bucket, now_us: int) -> ClientRows:
    """The newest row of every client in every view; a client without a row in a view is NOT_FOUND there.

    Args:
        bucket: where to read.
        now_us: compared with the time of build, microseconds since the epoch (UTC), as the online reader does.

    Raises:
        FeatureError: a file lacks a column of its view, or a row its client or event timestamp.
    """
    found = [(view, list(newest_rows(view.columns, view.files, ALWAYS, bucket.share))) for view in bucket.views]
    rows = [_Rows(view, pa.concat_tables(tables), now_us) for view, tables in found if tables]
    clients = np.unique(np.concatenate([np.empty(0, np.int64), *(one.client_ids for one in rows)]))
    batches = {one.spec.name: one.batch(clients, now_us) for one in rows}
    return ClientRows(
        clients, {view.spec.name: batches.get(view.spec.name) or _nothing(view.spec, clients.size) for view, _ in found}
    )


class _Rows:
    """The newest rows of one view, as the online store would hold them."""

    def __init__(self, view: ViewFiles, table: pa.Table, now_us: int) -> None:
        self.spec, self._table = view.spec, table
        columns = view.columns
        self.client_ids: NDArray[np.int64] = numbers_of(column_of(self.spec, table, columns.client, pa.int64()))
        self._as_of_us = numbers_of(column_of(self.spec, table, columns.event, _TIME))
        if columns.created is None:
            self._built_us = np.full(table.num_rows, now_us)
        else:
            created = column_of(self.spec, table, columns.created, _TIME).cast(pa.int64())
            self._built_us = numbers_of(created.fill_null(now_us))

    def batch(self, clients: NDArray[np.int64], now_us: int) -> ViewBatch:
        """What a reader would return for these clients in this order."""
        spec, size = self.spec, clients.size
        at = slice(None) if np.array_equal(self.client_ids, clients) else np.searchsorted(clients, self.client_ids)
        as_of_us, built_us = np.zeros((2, size), np.int64)
        as_of_us[at], built_us[at] = self._as_of_us, self._built_us
        # By column in memory, because that is how it is filled; shape (n, columns) all the same.
        numeric = np.full((len(spec.numeric), size), np.nan)
        types = {column.name: ARROW_TYPES[column.type] for column in spec.columns}
        for column, name in enumerate(spec.numeric):
            numeric[column, at] = self._numbers(name, types[name])
        strings = _strings([self._texts(name) for name in spec.strings], at, size)
        return ViewBatch(spec, self._statuses(at, size, now_us), as_of_us, built_us, numeric.T, strings)

    def _numbers(self, name: str, kind: pa.DataType) -> NDArray[Any]:
        values = column_of(self.spec, self._table, name, kind)
        numbers = numbers_of(values)
        if not values.null_count or numbers.dtype.kind == "f":
            return numbers
        return np.where(values.is_null().to_numpy(zero_copy_only=False), np.nan, numbers)

    def _texts(self, name: str) -> list[str | None]:
        return texts_of(column_of(self.spec, self._table, name, pa.string()), pa.string())

    def _statuses(self, at: _Places, size: int, now_us: int) -> tuple[ViewStatus, ...]:
        codes = np.zeros(size, np.int64)
        codes[at] = np.where(self._built_us >= now_us - self.spec.ttl_seconds * 1_000_000, 1, 2)
        names = (ViewStatus.NOT_FOUND, ViewStatus.PRESENT, ViewStatus.STALE)
        return tuple([names[code] for code in codes.tolist()])


def _strings(columns: list[list[str | None]], at: _Places, size: int) -> tuple[tuple[str | None, ...], ...]:
    if not columns:
        return ((),) * size
    rows = list(zip(*columns, strict=True))
    if isinstance(at, slice):
        return tuple(rows)
    by_place = dict(zip(at.tolist(), rows, strict=True))
    nothing = (None,) * len(columns)
    return tuple([by_place.get(place, nothing) for place in range(size)])


def _nothing(spec: ViewSpec, size: int) -> ViewBatch:
    """No row of any client."""
    never = np.zeros(size, np.int64)
    numeric, strings = np.full((size, len(spec.numeric)), np.nan), ((None,) * len(spec.strings),) * size
    return ViewBatch(spec, (ViewStatus.NOT_FOUND,) * size, never, never, numeric, strings)
