"""Scores the whole portfolio of a platform folder: wires registry, offline store, engine and output."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from credit.bundle.keys import load_public_key
from credit.errors import SettingsError, StepError
from credit.platform import Home
from credit.progress import step
from credit.reason_codes import Language
from credit.schemas.decision import ModelVersion
from credit.schemas.features import Frozen
from feature_repo.aggregates.claim import claimed
from feature_repo.locations import event_store
from feature_repo.portfolio.plan import open_portfolio
from feature_repo.settings import FeatureSettings
from feature_repo.storage import Location
from feature_repo.tasks import Engine, OverlappingTasks, tasks_of
from training.batch.output import Counts, RunFolder, Scoring
from training.batch.shipped import ShippedBundle, loaded
from training.batch.work import Work
from training.keys import verifying_key
from training.registry import Registry
from training.settings import TrainingSettings

#: What a task takes on Ray: Arrow, LightGBM, the model, and one bucket with what scoring needs.
_MEMORY: Final = "1GiB"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        out: a folder, s3://bucket/prefix or gs://bucket/prefix.
        version: number or alias of the model.
        language: of the reasons; None leaves them out.
        run: name of the run's folder; None makes one of the version and the data's present.
        force: score anew what is there already.
        engine: None takes the profile's.
        ray_address: of the engine `ray`.
    """

    out: str
    version: str = "champion"
    language: Language | None = "en"
    run: str | None = None
    force: bool = False
    engine: Engine | None = None
    ray_address: str | None = None


class BatchReport(Frozen):
    """What came of it. `resumed_buckets` were scored by an earlier command; the rate is of the clients scored now.

    `skipped` says that the run was whole already.
    """

    run: str
    folder: str
    version: str
    bundle_id: str
    skipped: bool
    buckets: int
    resumed_buckets: int
    clients: int
    scored: int
    counts: Counts
    seconds: float
    clients_per_second: float | None
    peak_memory_mib: float


@dataclass(frozen=True, slots=True)
class Model:
    """A registered version whose bundle was verified."""

    version: ModelVersion
    shipped: ShippedBundle


def score_portfolio(home: Home, settings: TrainingSettings, request: Request) -> BatchReport:
    """Score every client of the offline store; a run that was cut short goes on.

    Raises:
        RegistryError, BundleError: there is no such version, or it cannot be trusted.
        FeatureError, DataError: features are not built or do not fit the model.
        StepError: the run's folder holds something else, another command works on it, a bucket failed, or the features
            were built anew meanwhile.
    """
    features = FeatureSettings()
    model = fetch_model(home, settings, request.version)
    with step("Find the clients' features"):
        portfolio = open_portfolio(home, loaded(model.shipped).contract.views)
        meta = event_store(home).meta
    scoring = Scoring(
        model=model.version, features=portfolio.runs, buckets=len(portfolio.buckets), language=request.language
    )
    run = _checked(request.run or f"v{model.version.version}-{meta.as_of_now:%Y%m%d}")
    out = Location.of(request.out, features.storage_endpoint)
    folder = RunFolder(out, run)
    tasks = tasks_of(request.engine, request.ray_address, features, local=OverlappingTasks(), memory=_MEMORY)
    with _written_to(out):
        if not request.force:
            folder.check(scoring)  # before another command that works on this run is disturbed
        with claimed(out, run) as claim:
            if request.force:
                folder.clear()
            work = Work(folder, folder.begin(scoring, datetime.now(UTC)), portfolio)
            skipped = work.is_whole
            if not skipped:
                work.do(tasks, model.shipped, claim, meta.clients)
    return _report(run, folder, scoring, work, skipped)


def fetch_model(home: Home, settings: TrainingSettings, wanted: str) -> Model:
    """Fetch and verify the model version of this number or alias."""
    with step("Fetch and verify the model"), tempfile.TemporaryDirectory() as scratch:
        registry = Registry(settings.mlflow_tracking_uri, settings.model_name)
        number = registry.version(wanted).version
        public_key = load_public_key(verifying_key(home, settings))
        shipped = ShippedBundle.of(registry.fetch(number, Path(scratch)), public_key)
        bundle = loaded(shipped)
    return Model(ModelVersion(name=settings.model_name, version=number, bundle=bundle.bundle_id), shipped)


@contextmanager
def _written_to(out: Location) -> Iterator[None]:
    """A place that does not take files is told as such."""
    try:
        yield
    except OSError as error:
        raise StepError(f"{out} does not take files: {error}. Check address, bucket, rights and credentials") from error


def _checked(run: str) -> str:
    if not run.replace("-", "").replace("_", "").isalnum():
        raise SettingsError(f"--run {run!r} must consist of letters, digits, - and _")
    return run


def _report(run: str, folder: RunFolder, scoring: Scoring, work: Work, skipped: bool) -> BatchReport:
    return BatchReport(
        run=run,
        folder=str(folder.folder),
        version=scoring.model.version,
        bundle_id=scoring.model.bundle,
        skipped=skipped,
        buckets=scoring.buckets,
        resumed_buckets=work.resumed,
        clients=work.counts.clients,
        scored=work.counts.scored,
        counts=work.counts,
        seconds=round(work.seconds, 2),
        clients_per_second=round(work.scored_now / work.seconds, 1) if work.scored_now else None,
        peak_memory_mib=round(work.peak_memory_mib, 1),
    )
