"""Builds feature views for a whole spine, bucket by bucket, into the offline store: a whole run or nothing.

A run is `<offline>/<view>/<run>/bucket-0000.parquet` for each view, and a manifest. Until it is whole its buckets lie
in a stage, from which a build that was cut short goes on.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from credit.errors import FeatureError
from credit.progress import peak_memory_mib, step
from credit.schemas.features import Frozen
from feature_repo.aggregates.bucket import BucketTask, compute_bucket, sql_digest
from feature_repo.aggregates.claim import Claim, claimed
from feature_repo.aggregates.manifest import RunManifest, read_manifest
from feature_repo.aggregates.publication import publish
from feature_repo.aggregates.spine import Spine
from feature_repo.aggregates.stage import Stage, open_stage
from feature_repo.catalogue import View
from feature_repo.ingest.events import EventStore
from feature_repo.settings import FeatureSettings
from feature_repo.storage import Location
from feature_repo.tasks import LocalTasks, Tasks


class Build(Frozen):
    """Outcome of a build.

    Attributes:
        manifest: the run's.
        skipped: a finished run of the same inputs was kept.
        resumed: buckets that an earlier build had finished.
        peak_memory_mib: of the process that took most.
    """

    manifest: RunManifest
    skipped: bool
    resumed: int = 0
    peak_memory_mib: float = 0.0


def build_views(
    store: EventStore,
    spine: Spine,
    out: Path | Location,
    run: str,
    views: tuple[View, ...],
    *,
    settings: FeatureSettings | None = None,
    force: bool = False,
    tasks: Tasks | None = None,
    now: datetime | None = None,
) -> Build:
    """Compute `views` for `spine` into the offline store `out` under the name `run`.

    A finished run of the same events, catalogue and spine is kept unless `force`; else it is replaced, and stays
    readable until the new one is whole. What an unfinished build of the same inputs computed is taken up.

    Args:
        store: the events.
        spine: for whom, as of when.
        out: the offline store.
        run: names the run's folders.
        views: of the catalogue.
        settings: threads and memory of the engine.
        force: compute everything anew.
        tasks: where buckets are computed; default: here, one after the other.
        now: created timestamp of a new build; default: the wall clock.

    Raises:
        FeatureError: `run` cannot name a folder.
        DataError: the spine repeats rows or has nulls.
        StepError: another build of the run goes on, or a bucket failed.
    """
    if not run.replace("-", "").replace("_", "").isalnum():
        raise FeatureError(f"run {run!r} must consist of letters, digits, - and _")
    place, inputs = Location.of(out), _inputs_hash(store, spine, views)
    finished = read_manifest(place, run)
    if finished and finished.inputs == inputs and not force:
        return Build(manifest=finished, skipped=True)
    with claimed(place, run) as claim:
        stage = open_stage(place, run, inputs, now or datetime.now(UTC), anew=force)
        work = _Work(store, spine, stage, run, views, settings or FeatureSettings(), tasks or LocalTasks())
        work.do(claim)
        manifest = work.manifest(inputs)
        claim.check()
        publish(stage, place, manifest, tuple(view.name for view in views))
    return Build(manifest=manifest, skipped=False, resumed=work.resumed, peak_memory_mib=work.peak_memory_mib)


class _Work:
    """The buckets of one build, and what they took."""

    def __init__(
        self,
        store: EventStore,
        spine: Spine,
        stage: Stage,
        run: str,
        views: tuple[View, ...],
        settings: FeatureSettings,
        tasks: Tasks,
    ) -> None:
        self._store, self._spine, self._stage, self._run, self._views = store, spine, stage, run, views
        self._tasks = tasks
        threads = {} if tasks.threads is None else {"duckdb_threads": tasks.threads}
        self._settings = settings.without_redis().model_copy(update=threads)
        self._rows = 0
        self._seconds = {view.name: 0.0 for view in views}
        self.resumed = 0
        self.peak_memory_mib = 0.0

    def do(self, claim: Claim) -> None:
        """Compute every bucket that the stage does not hold."""
        with step(f"features {self._run}", total=self._store.buckets) as progress:
            for figures in self._tasks.run(compute_bucket, self._buckets_to_do()):
                claim.check()
                for view, seconds in figures.seconds.items():
                    self._seconds[view] += seconds
                self.peak_memory_mib = max(self.peak_memory_mib, figures.peak_memory_mib)
                progress.advance()
            progress.advance(self.resumed)
        self.peak_memory_mib = max(self.peak_memory_mib, peak_memory_mib())

    def manifest(self, inputs: str) -> RunManifest:
        """The manifest, once every bucket is done."""
        return RunManifest(
            run=self._run,
            inputs=inputs,
            created_ts=self._stage.created,
            buckets=self._store.buckets,
            rows=self._rows,
            features={view.name: len(view.features) for view in self._views},
            seconds=self._seconds,
        )

    def _buckets_to_do(self) -> Iterator[BucketTask]:
        finished = self._stage.finished()
        for bucket in range(self._store.buckets):
            rows = self._spine.for_bucket(bucket)
            self._rows += rows.num_rows
            views = self._stage.views_to_do(self._views, bucket, finished)
            if not views:
                self.resumed += 1
                continue
            yield BucketTask(
                bucket=bucket,
                views=views,
                sql=sql_digest(views),
                events=self._store.root,
                spine=rows,
                stage=self._stage.folder,
                created=self._stage.created,
                settings=self._settings,
            )


def _inputs_hash(store: EventStore, spine: Spine, views: tuple[View, ...]) -> str:
    meta = store.meta
    parts = [meta.fingerprint, meta.as_of_now.isoformat(), str(meta.buckets), spine.fingerprint, sql_digest(views)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
