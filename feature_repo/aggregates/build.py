"""Builds feature views for a whole spine, bucket by bucket, into the offline store: a whole run or nothing.

A run is `<offline>/<view>/<run>/bucket-0000.parquet` for each view. Its manifest, `<offline>/.runs/<run>.json`, is
written last and removed first, so that a run with a manifest is complete.
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from credit.errors import FeatureError
from credit.files import write_text
from credit.progress import step
from credit.schemas.features import Frozen
from feature_repo.aggregates.compute import compute_view
from feature_repo.aggregates.spine import Spine
from feature_repo.aggregates.sql import event_tables, macros_sql, view_sql
from feature_repo.catalogue import View
from feature_repo.ingest.events import EventStore, bucket_path
from feature_repo.settings import FeatureSettings

CREATED = "created_ts"


class RunManifest(Frozen):
    """What a finished run holds. `seconds` is the time of each view; `inputs` identifies all that went in."""

    run: str
    inputs: str
    created_ts: datetime
    rows: int
    features: dict[str, int]
    seconds: dict[str, float]


class Build(Frozen):
    """Outcome of a build: the run's manifest, and whether a finished run of the same inputs was kept."""

    manifest: RunManifest
    skipped: bool


def build_views(
    store: EventStore,
    spine: Spine,
    out: Path,
    run: str,
    views: tuple[View, ...],
    *,
    settings: FeatureSettings | None = None,
    force: bool = False,
) -> Build:
    """Compute `views` for `spine` into the offline store `out` under the name `run`.

    A finished run of the same events, catalogue and spine is kept unless `force`; else it is replaced, and stays
    readable until the new one is whole.

    Raises:
        FeatureError: `run` cannot name a folder.
        DataError: the spine repeats rows or has nulls.
    """
    if not run.replace("-", "").replace("_", "").isalnum():
        raise FeatureError(f"run {run!r} must consist of letters, digits, - and _")
    inputs = _inputs_hash(store, spine, views)
    finished = read_manifest(out, run)
    if finished and finished.inputs == inputs and not force:
        return Build(manifest=finished, skipped=True)
    with _staged(out, run, views) as stage:
        manifest = _build(store, spine, stage, run, views, inputs, settings or FeatureSettings())
    write_text(_manifest_path(out, run), manifest.model_dump_json(indent=1))
    return Build(manifest=manifest, skipped=False)


def read_manifest(out: Path, run: str) -> RunManifest | None:
    """The manifest of a finished run, or None."""
    try:
        return RunManifest.model_validate_json(_manifest_path(out, run).read_text("utf-8"))
    except (OSError, ValidationError):
        return None


def _build(
    store: EventStore,
    spine: Spine,
    stage: Path,
    run: str,
    views: tuple[View, ...],
    inputs: str,
    settings: FeatureSettings,
) -> RunManifest:
    created = datetime.now(UTC)
    seconds = {view.name: 0.0 for view in views}
    rows = 0
    with step(f"features {run}", total=store.buckets * len(views)) as progress:
        for bucket in range(store.buckets):
            bucket_spine = spine.for_bucket(bucket)
            rows += bucket_spine.num_rows
            for view in views:
                started = time.perf_counter()
                paths = {table: store.path(table, bucket) for table in event_tables(view)}
                _write(compute_view(view, paths, bucket_spine, settings), created, stage / view.name, bucket)
                seconds[view.name] += time.perf_counter() - started
                progress.advance()
    features = {view.name: len(view.features) for view in views}
    return RunManifest(run=run, inputs=inputs, created_ts=created, rows=rows, features=features, seconds=seconds)


def _write(features: pa.Table, created: datetime, folder: Path, bucket: int) -> None:
    stamps = pa.repeat(pa.scalar(created, pa.timestamp("us", tz="UTC")), features.num_rows)
    pq.write_table(features.add_column(2, CREATED, stamps), bucket_path(folder.parent, folder.name, bucket))


@contextmanager
def _staged(out: Path, run: str, views: tuple[View, ...]) -> Iterator[Path]:
    """A folder for new files, beside the views' folders; on success they take the places of the run's old files."""
    out.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{run}.", dir=out))
    try:
        for view in views:
            (stage / view.name).mkdir()
        yield stage
        _manifest_path(out, run).unlink(missing_ok=True)
        for view in views:
            _replace(out / view.name / run, stage / view.name, stage / f"{view.name}.old")
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _replace(target: Path, new: Path, old: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        target.replace(old)
    new.replace(target)


def _inputs_hash(store: EventStore, spine: Spine, views: tuple[View, ...]) -> str:
    meta = store.meta
    parts = [meta.fingerprint, meta.as_of_now.isoformat(), str(meta.buckets), spine.fingerprint, macros_sql()]
    parts += [f"{view.name}\n{view_sql(view)}" for view in views]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _manifest_path(out: Path, run: str) -> Path:
    return out / ".runs" / f"{run}.json"
