"""Spines: for which clients, as of when, features are computed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from credit.clock import bucket_of
from credit.errors import DataError
from feature_repo.aggregates.month_ends import Months
from feature_repo.ingest.events import EventStore

SPINE_SCHEMA = pa.schema([("SK_ID_CURR", pa.int64()), ("as_of", pa.timestamp("us", tz="UTC"))])
_KEYS = SPINE_SCHEMA.names
_SHOWN = 5


@dataclass(frozen=True)
class Spine:
    """A spine by bucket. Two spines of equal `fingerprint` over the same events hold the same rows."""

    fingerprint: str
    for_bucket: Callable[[int], pa.Table]


def named_spine(name: str, store: EventStore) -> Spine:
    """The spine called `online`, `training` or `month-ends-2023-01-2023-12`, else the one in the file `name`.

    Raises:
        DataError: see `month_end_spine` and `file_spine`.
    """
    known = {"online": online_spine, "training": training_spine}
    if name in known:
        return known[name](store)
    months = Months.of_name(name)
    return file_spine(Path(name), store) if months is None else month_end_spine(months, store)


def online_spine(store: EventStore) -> Spine:
    """Every client at its own present: the daily batch."""
    return Spine("online", lambda bucket: _clients_at(store.clients(bucket), "online_as_of"))


def training_spine(store: EventStore) -> Spine:
    """Every labelled client at its application."""
    return Spine(
        "training", lambda bucket: _clients_at(store.clients(bucket).filter(pc.field("target").is_valid()), "t0")
    )


def month_end_spine(months: Months, store: EventStore) -> Spine:
    """Every client at each month end that lies between its newest application and its own present, both included.

    A client that does not live on is known up to its application only: that is its present, and the one moment at
    which it could have a month end.

    Raises:
        DataError: a month has not ended by the present of the data, or no client has a month end in the range.
    """
    months.refuse_after(store.meta.as_of_now)
    spine = Spine(months.name, partial(_clients_at_month_ends, store, months))
    if not any(spine.for_bucket(bucket).num_rows for bucket in range(store.buckets)):
        reason = "" if store.meta.lives_on else "; these data hold nothing after the applications"
        raise DataError(
            f"no client has a month end from {months.first} to {months.last} after its application{reason}: "
            "choose other months"
        )
    return spine


def file_spine(path: Path, store: EventStore) -> Spine:
    """The spine of a Parquet file with the columns SK_ID_CURR and as_of.

    Raises:
        DataError: the file is absent or no such table, repeats a row, or names clients without events.
    """
    try:
        rows = checked_spine(pq.read_table(path, columns=_KEYS))
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise DataError(f"{path} is no spine (Parquet with SK_ID_CURR and as_of): {error}") from error
    rows = rows.sort_by([(key, "ascending") for key in _KEYS])
    buckets = pa.array(bucket_of(rows["SK_ID_CURR"].to_numpy(), store.buckets))
    by_bucket = {bucket: rows.filter(pc.equal(buckets, bucket)) for bucket in range(store.buckets)}
    _refuse_unknown_clients(by_bucket, store)
    return Spine(_fingerprint(rows), by_bucket.__getitem__)


def checked_spine(spine: pa.Table) -> pa.Table:
    """`spine` with exactly the columns and types of SPINE_SCHEMA, in its own row order.

    Raises:
        DataError: a column is missing or of another kind, a value is null, or a row is repeated.
    """
    try:
        rows = spine.select(_KEYS).cast(SPINE_SCHEMA)
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise DataError(f"a spine has the columns SK_ID_CURR (int64) and as_of (timestamp in UTC): {error}") from error
    nulls = [key for key in _KEYS if rows[key].null_count]
    if nulls:
        raise DataError(f"the spine has nulls in {' and '.join(nulls)}: remove these rows")
    _refuse_repeated_rows(rows)
    return rows


def _refuse_repeated_rows(rows: pa.Table) -> None:
    counts = rows.group_by(_KEYS).aggregate([([], "count_all")])
    repeated = counts.filter(pc.field("count_all") > 1).sort_by([(key, "ascending") for key in _KEYS])
    if repeated.num_rows:
        shown = [f"client {row['SK_ID_CURR']} at {row['as_of']}" for row in repeated.slice(0, _SHOWN).to_pylist()]
        raise DataError(f"the spine repeats {repeated.num_rows} rows of (SK_ID_CURR, as_of): keep one of each", shown)


def _refuse_unknown_clients(by_bucket: dict[int, pa.Table], store: EventStore) -> None:
    unknown = np.concatenate(
        [
            np.setdiff1d(rows["SK_ID_CURR"].to_numpy(), store.clients(bucket)["SK_ID_CURR"].to_numpy())
            for bucket, rows in by_bucket.items()
        ]
    )
    if unknown.size:
        shown = [f"client {client}" for client in np.sort(unknown)[:_SHOWN]]
        raise DataError(f"{unknown.size} clients of the spine have no application among the events; the first", shown)


def _clients_at(clients: pa.Table, time_column: str) -> pa.Table:
    return pa.table({"SK_ID_CURR": clients["SK_ID_CURR"], "as_of": clients[time_column]}, schema=SPINE_SCHEMA)


def _clients_at_month_ends(store: EventStore, months: Months, bucket: int) -> pa.Table:
    """Rows by client, then month."""
    clients = store.clients(bucket)
    t0, present = (clients[name].to_numpy().reshape(-1, 1) for name in ("t0", "online_as_of"))
    chosen, month = np.nonzero((t0 <= months.ends) & (months.ends <= present))
    as_of = pa.array(months.ends[month], pa.timestamp("us")).cast(SPINE_SCHEMA.field("as_of").type)
    return pa.table({"SK_ID_CURR": clients["SK_ID_CURR"].take(chosen), "as_of": as_of}, schema=SPINE_SCHEMA)


def _fingerprint(rows: pa.Table) -> str:
    digest = hashlib.sha256()
    for key in _KEYS:
        digest.update(rows[key].cast(pa.int64()).to_numpy().tobytes())
    return digest.hexdigest()
