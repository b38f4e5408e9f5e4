"""One serving process: wires settings to stores, model, service and HTTP edge. Ray starts it; tests do without."""

import asyncio
import logging

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from credit.bundle.keys import load_public_key
from credit.errors import StepError
from credit.schemas.features import FeatureReader, ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge
from serving.api.workers import Admission, ContextThreads, Workers
from serving.bundle_cache import BundleCache
from serving.champion import ChampionSource
from serving.metrics import ScoringMetrics
from serving.metrics_port import MetricsPort
from serving.model_store import ModelStore, ModelWatcher
from serving.registry import MlflowRegistry
from serving.service import ScoringService
from serving.settings import ServingSettings
from serving.stores import decision_log, feature_reader
from serving.tracing import open_tracing

log = logging.getLogger(__name__)
_STALLED_AFTER_SECONDS = 5.0


class Replica:
    """Everything that one process needs to answer requests.

    Raises:
        SettingsError: an address is malformed.
        BundleError: the public key cannot be read.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self._settings = settings
        self._pool = ContextThreads(settings.scoring_threads, thread_name_prefix="scoring")
        breaker = CircuitBreaker()

        def reader(views: tuple[ViewSpec, ...]) -> FeatureReader:
            return feature_reader(settings, views, breaker)

        source = champion_source(settings)
        metrics = ScoringMetrics(CollectorRegistry(), settings.metrics_folder, open_tracing(settings))
        store = ModelStore(source, reader, on_change=metrics.serving)
        self._watcher = ModelWatcher(store, settings.model_watch_seconds)
        self.service = ScoringService(store, decision_log(settings), metrics)
        self._workers = Workers(self._pool, _admission(settings))
        self._metrics_port = MetricsPort(metrics.registry, settings.metrics_host, settings.metrics_port)

    def start(self) -> None:
        """Begin to load and follow the model; requests get 503 until it is there."""
        log.warning("authentication is %s", self._settings.authentication)
        self._metrics_port.open()
        self._watcher.start()

    def api(self, *, echo_request_id: bool = True) -> ASGIApp:
        """The HTTP edge of this replica."""
        bodies = BodyLimits(self._settings.max_body_bytes, self._settings.max_batch_body_bytes)
        return build_api(Edge(self.service, self._workers, Access(), bodies), echo_request_id=echo_request_id)

    async def check_health(self) -> None:
        """Raise StepError when only a new process can help.

        A store or registry that is away is no such reason: a new process would not reach it either, and this one
        serves again as soon as they are back.
        """
        if not self._watcher.is_alive():
            raise StepError("the model watcher has ended")
        try:
            async with asyncio.timeout(_STALLED_AFTER_SECONDS):
                await asyncio.get_running_loop().run_in_executor(self._pool, _nothing)
        except TimeoutError:
            raise StepError(f"the scoring threads have not moved for {_STALLED_AFTER_SECONDS:g} s") from None

    def close(self) -> None:
        """Stop threads and release connections."""
        self._watcher.stop()
        self._workers.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.service.close()
        self._metrics_port.close()
        self.service.metrics.close()


def champion_source(settings: ServingSettings) -> ChampionSource:
    """The champion as settings name it.

    Raises:
        BundleError: the public key cannot be read.
    """
    cache = BundleCache(settings.bundle_cache, load_public_key(settings.public_key_path))
    registry = MlflowRegistry(settings.mlflow_tracking_uri)
    return ChampionSource(cache, registry, settings.model_name, settings.model_alias)


def _admission(settings: ServingSettings) -> Admission:
    return Admission(
        ongoing_requests=settings.max_ongoing_requests,
        request_timeout=settings.request_timeout_seconds,
        ongoing_batches=settings.max_ongoing_batches,
        batch_timeout=settings.batch_timeout_seconds,
    )


def _nothing() -> None:
    """Proves that a thread of the pool is free to run."""
