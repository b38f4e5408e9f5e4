"""One serving process: wires settings to stores, model, service and HTTP edge. Ray starts it; tests do without."""

import asyncio
import gc
import logging
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from credit.bundle.keys import load_public_key
from credit.errors import StepError
from credit.schemas.features import FeatureReader, ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge
from serving.api.workers import Admission, Workers
from serving.bundle_cache import BundleCache
from serving.metrics import ScoringMetrics
from serving.model_source import ModelSource
from serving.model_store import ModelStore
from serving.model_watcher import ModelWatcher
from serving.registry import MlflowRegistry
from serving.service import ScoringService
from serving.settings import ServingSettings
from serving.shadow import Shadow, ShadowBudget
from serving.shadow_metrics import ShadowMetrics
from serving.stores import decision_log, feature_reader, shadow_log

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
        self._pool = ThreadPoolExecutor(settings.scoring_threads, thread_name_prefix="scoring")
        breaker = CircuitBreaker()

        def reader(views: tuple[ViewSpec, ...]) -> FeatureReader:
            return feature_reader(settings, views, breaker)

        metrics = ScoringMetrics(CollectorRegistry())
        store = ModelStore(
            champion_source(settings),
            reader,
            on_change=metrics.serving,
            challenger=challenger_source(settings),
            canary_share=settings.canary_share,
        )
        # Loading the next model makes many small objects; without this, each of the collections that this sets off goes
        # through all that was imported, and holds up every request for some hundred milliseconds.
        self._watcher = ModelWatcher(store, settings.model_watch_seconds, on_settled=gc.freeze)
        self._shadow = _shadow(settings, metrics.registry)
        self.service = ScoringService(store, decision_log(settings), metrics, shadow=self._shadow.offer)
        self._workers = Workers(self._pool, _admission(settings))

    def start(self) -> None:
        """Begin to load and follow the model; requests get 503 until it is there."""
        log.warning("authentication is %s", self._settings.authentication)
        self._watcher.start()
        self._shadow.start()

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
        self._shadow.stop()
        self._workers.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.service.close()


def champion_source(settings: ServingSettings) -> ModelSource:
    """The champion as settings name it.

    Raises:
        BundleError: the public key cannot be read.
    """
    return _source(settings, settings.model_alias)


def challenger_source(settings: ServingSettings) -> ModelSource | None:
    """The challenger as settings name it; None where they give it nothing to do.

    Raises:
        BundleError: the public key cannot be read.
    """
    wanted = settings.canary_share or settings.shadow_share
    return _source(settings, settings.challenger_alias) if wanted else None


def _source(settings: ServingSettings, alias: str) -> ModelSource:
    public_key = load_public_key(settings.public_key_path)
    cache = BundleCache(settings.bundle_cache, public_key, settings.bundles_kept)
    return ModelSource(cache, MlflowRegistry(settings.mlflow_tracking_uri), settings.model_name, alias)


def _shadow(settings: ServingSettings, registry: CollectorRegistry) -> Shadow:
    budget = ShadowBudget(settings.shadow_share, settings.shadow_cpu_share, settings.shadow_queue)
    return Shadow(shadow_log(settings), ShadowMetrics(registry), budget)


def _admission(settings: ServingSettings) -> Admission:
    return Admission(
        ongoing_requests=settings.max_ongoing_requests,
        request_timeout=settings.request_timeout_seconds,
        ongoing_batches=settings.max_ongoing_batches,
        batch_timeout=settings.batch_timeout_seconds,
    )


def _nothing() -> None:
    """Proves that a thread of the pool is free to run."""
