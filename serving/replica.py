"""One serving process: wires settings to stores, model, service and HTTP edge. Ray starts it; tests do without."""

import asyncio
import gc
import logging

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from credit.bundle.keys import load_public_key
from credit.errors import StepError
from credit.schemas.features import FeatureReader, ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge, History
from serving.api.workers import Admission, ContextThreads, Workers
from serving.bundle_cache import BundleCache
from serving.callers.authenticator import Authenticator
from serving.callers.rate_limit import RateLimits
from serving.metrics import ScoringMetrics
from serving.metrics_port import MetricsPort
from serving.model_source import ModelSource
from serving.model_store import ModelStore
from serving.model_watcher import ModelWatcher
from serving.registered_models import RegisteredModels
from serving.registry import MlflowRegistry
from serving.service import ScoringService
from serving.settings import ServingSettings
from serving.shadow import Shadow, ShadowBudget
from serving.shadow_metrics import ShadowMetrics
from serving.stores import decision_history, decision_log, drift_summaries, feature_reader, shadow_log
from serving.tracing import open_tracing

log = logging.getLogger(__name__)
_STALLED_AFTER_SECONDS = 5.0
#: Threads for recorded decisions; their archive may be far away.
_HISTORY_THREADS = 2


class Replica:
    """Everything that one process needs to answer requests.

    Raises:
        SettingsError: an address is malformed, or a file of keys cannot be used.
        BundleError: the public key cannot be read.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self._settings = settings
        self._pool = ContextThreads(settings.scoring_threads, thread_name_prefix="scoring")
        breaker = CircuitBreaker()

        def reader(views: tuple[ViewSpec, ...]) -> FeatureReader:
            return feature_reader(settings, views, breaker)

        champion, challenger = champion_source(settings), challenger_source(settings)
        metrics = ScoringMetrics(CollectorRegistry(), settings.metrics_folder, open_tracing(settings))
        store = ModelStore(
            champion,
            reader,
            on_change=metrics.serving,
            challenger=challenger,
            canary_share=settings.canary_share,
        )
        # Loading the next model makes many small objects; without this, each of the collections that this sets off goes
        # through all that was imported, and holds up every request for some hundred milliseconds.
        self._watcher = ModelWatcher(store, settings.model_watch_seconds, on_settled=gc.freeze)
        self._shadow = _shadow(settings, metrics.registry)
        self.service = ScoringService(
            store, decision_log(settings, metrics.decision_log), metrics, shadow=self._shadow.offer
        )
        self._workers = Workers(self._pool, _admission(settings))
        self._drift = drift_summaries(settings)
        self._authenticator = None if settings.authentication == "off" else Authenticator(settings)
        self._access = Access(self._authenticator, RateLimits(settings.default_rate), metrics.turned_away)
        self._registered = registered_models(settings)
        self._history_pool = ContextThreads(_HISTORY_THREADS, thread_name_prefix="history")
        self._history = History(decision_history(settings), Workers(self._history_pool, _admission(settings)))
        self._metrics_port = MetricsPort(metrics.registry, settings.metrics_host, settings.metrics_port)

    def start(self) -> None:
        """Begin to load and follow the model; requests get 503 until it is there."""
        off = self._authenticator is None
        log.log(logging.WARNING if off else logging.INFO, "authentication is %s", self._access.mode)
        if self._authenticator is not None:
            self._authenticator.start()
        self._metrics_port.open()
        self._watcher.start()
        self._shadow.start()

    def api(self, *, echo_request_id: bool = True) -> ASGIApp:
        """The HTTP edge of this replica."""
        bodies = BodyLimits(self._settings.max_body_bytes, self._settings.max_batch_body_bytes)
        edge = Edge(
            self.service,
            self._workers,
            self._access,
            bodies,
            history=self._history,
            metrics_open=self._settings.metrics_access == "open",
            cors_origins=self._settings.cors_origins,
            drift=self._drift,
            registered=self._registered,
        )
        return build_api(edge, echo_request_id=echo_request_id)

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
        if self._authenticator is not None:
            self._authenticator.close()
        self._shadow.stop()
        self._workers.close()
        self._registered.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._history.workers.close()
        self._history_pool.shutdown(wait=False, cancel_futures=True)
        self._history.decisions.close()
        self.service.close()
        self._drift.close()
        self._metrics_port.close()
        self.service.metrics.close()


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
    return Shadow(shadow_log(settings), ShadowMetrics(registry, settings.metrics_folder), budget)


def registered_models(settings: ServingSettings) -> RegisteredModels:
    """The registry's versions, listed with a client of their own: the watcher's belongs to its thread."""
    registry = MlflowRegistry(settings.mlflow_tracking_uri)
    return RegisteredModels(settings.model_name, settings.model_alias, registry.versions)


def _admission(settings: ServingSettings) -> Admission:
    return Admission(
        ongoing_requests=settings.max_ongoing_requests,
        request_timeout=settings.request_timeout_seconds,
        ongoing_batches=settings.max_ongoing_batches,
        batch_timeout=settings.batch_timeout_seconds,
    )


def _nothing() -> None:
    """Proves that a thread of the pool is free to run."""
