"""What the service measures of itself, by Prometheus' names."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from credit.errors import CreditError
from credit.schemas.decision import DecisionRecord, ModelVersion, ViewState
from credit.schemas.features import ViewStatus
from serving.callers.identity import Reason

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_HOURS: Final = tuple(hours * 3600.0 for hours in (1, 6, 12, 24, 36, 48, 72, 168))
_PROBABILITIES: Final = (0.01, 0.02, 0.03, 0.05, 0.07, 0.09, 0.12, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
#: Label of requests that no model answered.
_NO_MODEL: Final = "none"


class ScoringMetrics:
    """Metrics of one process; nothing in them tells about a client.

    Args:
        registry: where they are exposed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._served: Gauge | None = None
        self._requests = Counter(
            "credit_score_requests", "Clients asked for.", ("outcome", "model_version"), registry=registry
        )
        self._latency = Histogram(
            "credit_score_latency_seconds", "Time of a stage.", ("stage",), buckets=_SECONDS, registry=registry
        )
        self._age = Histogram(
            "credit_feature_age_seconds", "Age of feature rows that were used.", ("view",), buckets=_HOURS,
            registry=registry,
        )  # fmt: skip
        self._missing = Counter(
            "credit_feature_missing", "Views without a usable or fresh row.", ("view", "reason"), registry=registry
        )
        self._decisions = Counter("credit_decisions", "Decisions.", ("decision",), registry=registry)
        self._probability = Histogram(
            "credit_score_pd", "Calibrated probabilities of default.", buckets=_PROBABILITIES, registry=registry
        )
        self._refused = Counter(
            "credit_auth_failures", "Requests whose caller was turned away.", ("reason",), registry=registry
        )
        self._model = Gauge(
            "credit_model_info", "1 for the model that answers, 0 for earlier ones.", ("name", "version", "bundle"),
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._log_entries = Gauge(
            "credit_decision_log_entries", "Decisions that are not archived yet.",
            registry=registry, multiprocess_mode="livemostrecent",
        )  # fmt: skip
        self._log_limit = Gauge(
            "credit_decision_log_limit", "Decisions at which scoring stops until they are archived.",
            registry=registry, multiprocess_mode="livemostrecent",
        )  # fmt: skip

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage while the block runs, also when it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._latency.labels(name).observe(time.perf_counter() - started)

    def decided(self, record: DecisionRecord) -> None:
        """Count an answered decision."""
        self._requests.labels("ok", record.model.version).inc()
        self._decisions.labels(record.decision.value).inc()
        self._probability.observe(record.probability)
        self._views(record.views)

    def failed(self, error: CreditError, model: ModelVersion | None) -> None:
        """Count a client that was not scored."""
        self._requests.labels(error.code, model.version if model else _NO_MODEL).inc()

    def turned_away(self, reason: Reason) -> None:
        """Count a caller that did not prove who it is, or may not do what it asked for."""
        self._refused.labels(reason).inc()

    def serving(self, model: ModelVersion) -> None:
        """Name the model that answers from now on."""
        if self._served is not None:
            self._served.set(0)
        self._served = self._model.labels(model.name, model.version, model.bundle[:12])
        self._served.set(1)

    def decision_log(self, entries: int, limit: int) -> None:
        """Tell how full the decision log is."""
        self._log_entries.set(entries)
        self._log_limit.set(limit)

    def _views(self, views: Mapping[str, ViewState]) -> None:
        for name, state in views.items():
            if state.age_seconds is not None:
                self._age.labels(name).observe(state.age_seconds)
            if state.status is not ViewStatus.PRESENT:
                self._missing.labels(name, state.status.value).inc()
