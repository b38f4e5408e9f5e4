"""The features of new applications, from the same SQL as the night's build."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credit.clock import bucket_of
from feature_repo.aggregates.compute import compute_view
from feature_repo.catalogue import View
from feature_repo.ingest.events import APPLICATION, EVENT_TABLES, EventStore, event_schema
from feature_repo.settings import FeatureSettings
from feature_repo.storage import Location

#: Where the history of a bucket's clients lies: event table, bucket -> Parquet file.
History = Callable[[str, int], Path | Location]


def features_at_application(
    events: pa.Table, views: Sequence[View], store: EventStore | None, settings: FeatureSettings
) -> dict[str, pa.Table]:
    """The features of each client at its new application.

    Args:
        events: new applications in the schema of the event table, one per client; `t0` is the moment.
        views: what to compute.
        store: histories of known clients; without it nobody has a history.
        settings: threads and memory of the engine.

    Returns:
        By view name, what `compute_view` answers, in no particular order of clients. An application counts at its own
        moment; of history counts what was known before it.
    """
    with TemporaryDirectory(prefix="creditctl-push-") as folder:
        parts = {0: events} if store is None else _by_bucket(events, store.buckets)
        history = _no_history(Path(folder)) if store is None else store.path
        computed = [_bucket(part, bucket, views, history, Path(folder), settings) for bucket, part in parts.items()]
    return {view.name: pa.concat_tables([tables[view.name] for tables in computed]) for view in views}


def _bucket(
    events: pa.Table, bucket: int, views: Sequence[View], history: History, folder: Path, settings: FeatureSettings
) -> Mapping[str, pa.Table]:
    applications = folder / f"applications-{bucket}.parquet"
    # Nothing but the new ones: of several applications of a client the newest counts, and none is newer.
    pq.write_table(events, applications)
    paths = {table: history(table, bucket) for table in EVENT_TABLES} | {APPLICATION: applications}
    spine = pa.table({"SK_ID_CURR": events["SK_ID_CURR"], "as_of": events["t0"]})
    return {view.name: compute_view(view, paths, spine, settings) for view in views}


def _by_bucket(events: pa.Table, buckets: int) -> dict[int, pa.Table]:
    numbers = bucket_of(events["SK_ID_CURR"].to_numpy(), buckets)
    return {int(bucket): events.filter(pa.array(numbers == bucket)) for bucket in np.unique(numbers)}


def _no_history(folder: Path) -> History:
    for table in EVENT_TABLES:
        pq.write_table(event_schema(table).empty_table(), folder / f"{table}.parquet")
    return lambda table, _bucket: folder / f"{table}.parquet"
