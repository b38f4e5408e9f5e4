"""One bucket's newest rows as a feature reader would return them after materialising. Imports no feast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from credit.schemas.features import ViewBatch, ViewSpec, ViewStatus
from feature_repo.compute.newest import ALWAYS, RowColumns, Share, newest_rows
from feature_repo.online.arrow import rows_of_table
from feature_repo.online.codec import Rows
from feature_repo.storage import Location


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
    found = [(view.spec, _newest(view, bucket.share, now_us)) for view in bucket.views]
    clients = np.unique(np.concatenate([rows.client_ids for _, rows in found if rows] or [np.empty(0, np.int64)]))
    return ClientRows(clients, {spec.name: _batch(spec, rows, clients, now_us) for spec, rows in found})


def _newest(view: ViewFiles, share: Share | None, now_us: int) -> Rows | None:
    tables = list(newest_rows(view.columns, view.files, ALWAYS, share))
    if not tables:
        return None
    columns = view.columns
    return rows_of_table(view.spec, pa.concat_tables(tables), columns.client, columns.event, columns.created, now_us)


def _batch(spec: ViewSpec, rows: Rows | None, clients: NDArray[np.int64], now_us: int) -> ViewBatch:
    size = clients.size
    as_of_us, built_us = np.zeros((2, size), np.int64)
    # By column in memory, because that is how it is filled; shape (n, columns) all the same.
    numeric = np.full((len(spec.numeric), size), np.nan).T
    if rows is None:
        nothing = (None,) * len(spec.strings)
        return ViewBatch(spec, (ViewStatus.NOT_FOUND,) * size, as_of_us, built_us, numeric, (nothing,) * size)
    at = _places(clients, rows.client_ids)
    as_of_us[at], built_us[at] = rows.as_of_us, rows.built_us
    for column, name in enumerate(spec.numeric):
        numeric[at, column] = _numbers(rows, name)
    status = _statuses(spec, at, built_us, now_us)
    return ViewBatch(spec, status, as_of_us, built_us, numeric, _strings(spec, rows, at, size))


def _places(clients: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.intp] | slice:
    """Where a view's rows belong among all clients."""
    return slice(None) if np.array_equal(own, clients) else np.searchsorted(clients, own)


def _numbers(rows: Rows, name: str) -> NDArray[Any]:
    values = rows.numeric[name]
    if values.dtype.kind == "f" or name not in rows.nulls:  # a null float is NaN already
        return values
    return np.where(rows.nulls[name], np.nan, values)


def _statuses(
    spec: ViewSpec, found: NDArray[np.intp] | slice, built_us: NDArray[np.int64], now_us: int
) -> tuple[ViewStatus, ...]:
    codes = np.zeros(built_us.size, np.int64)
    codes[found] = np.where(built_us[found] >= now_us - spec.ttl_seconds * 1_000_000, 1, 2)
    names = (ViewStatus.NOT_FOUND, ViewStatus.PRESENT, ViewStatus.STALE)
    return tuple([names[code] for code in codes.tolist()])


def _strings(
    spec: ViewSpec, rows: Rows, found: NDArray[np.intp] | slice, size: int
) -> tuple[tuple[str | None, ...], ...]:
    if not spec.strings:
        return ((),) * size
    values = list(zip(*(_texts(rows.strings[name]) for name in spec.strings), strict=True))
    if isinstance(found, slice):
        return tuple(values)
    nothing = (None,) * len(spec.strings)
    by_place = dict(zip(found.tolist(), values, strict=True))
    return tuple([by_place.get(place, nothing) for place in range(size)])


def _texts(values: Sequence[bytes | None]) -> list[str | None]:
    words = {word: None if word is None else word.decode() for word in set(values)}
    return [words[value] for value in values]
