"""What the service measures of itself, by Prometheus' names."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final

from prometheus_client import CollectorRegistry

from credit.errors import CreditError
from credit.schemas.decision import DecisionRecord, ModelVersion, ViewState
from credit.schemas.features import ViewStatus
from serving.callers.identity import Reason
from serving.instruments import Cell, Distribution, Instruments, Metric
from serving.tracing import NO_TRACING, Span, Tracing, code_of

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_HOURS: Final = tuple(hours * 3600.0 for hours in (1, 6, 12, 24, 36, 48, 72, 168))
_PROBABILITIES: Final = (0.01, 0.02, 0.03, 0.05, 0.07, 0.09, 0.12, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
#: Label of requests that no model answered.
_NO_MODEL: Final = "none"
#: Problems that say: come again later, or less often.
REFUSALS: Final = frozenset({"overloaded", "rate_limited", "timeout"})

_REQUESTS: Final = "credit_score_requests_total"
_LATENCY: Final = "credit_score_latency_seconds"
_AGE: Final = "credit_feature_age_seconds"
_MISSING: Final = "credit_feature_missing_total"
_DECISIONS: Final = "credit_decisions_total"
_PROBABILITY: Final = "credit_score_pd"
_MODEL: Final = "credit_model_info"
_HTTP: Final = "credit_http_requests_total"
_IN_FLIGHT: Final = "credit_http_requests_in_flight"
_REFUSED: Final = "credit_admission_refused_total"
_REPLICAS: Final = "credit_replicas"
_TURNED_AWAY: Final = "credit_auth_failures_total"
_LOG_ENTRIES: Final = "credit_decision_log_entries"
_LOG_LIMIT: Final = "credit_decision_log_limit"

#: Everything that is measured here; the reference page tells the same.
METRICS: Final = (
    Metric(
        _REQUESTS, "counter", "Clients asked for: `ok`, or the code of the problem; with the model, or `none`.",
        ("outcome", "model_version"),
    ),
    Metric(
        _LATENCY, "histogram",
        "Time of a stage: `read`, `predict`, `explain`, `record`, `total` (all of these), `http` (a single score "
        "from its first byte to its last).",
        ("stage",), _SECONDS,
    ),
    Metric(_AGE, "histogram", "Age of the feature rows that were used, from their build.", ("view",), _HOURS),
    Metric(
        _MISSING, "counter", "Views without a usable and fresh row: `stale`, `not_found`, `schema_mismatch`.",
        ("view", "reason"),
    ),
    Metric(_DECISIONS, "counter", "Decisions: `approved`, `refused`, `referred`.", ("decision",)),
    Metric(_PROBABILITY, "histogram", "Calibrated probabilities of default.", (), _PROBABILITIES),
    Metric(_MODEL, "info", "1 for the model that answers, 0 for earlier ones.", ("name", "version", "bundle")),
    Metric(
        _HTTP, "counter", "HTTP requests by route template; `other` for unknown paths, 499 for callers that left.",
        ("route", "status"),
    ),
    Metric(_IN_FLIGHT, "gauge", "HTTP requests under way."),
    Metric(
        _REFUSED, "counter", "Requests that admission refused or gave up: `overloaded`, `rate_limited`, `timeout`.",
        ("reason",),
    ),
    Metric(_REPLICAS, "gauge", "Replicas whose numbers are in these metrics."),
    Metric(_TURNED_AWAY, "counter", "Requests whose caller was turned away, by why.", ("reason",)),
    Metric(_LOG_ENTRIES, "info", "Decisions that are not archived yet."),
    Metric(_LOG_LIMIT, "info", "Decisions at which scoring stops until they are archived."),
)  # fmt: skip


class ScoringMetrics:
    """Metrics of one node; nothing in them tells about a client.

    Args:
        registry: where they are exposed.
        folder: shared by the replicas of this node; without it only this process is told.
        tracing: gets a span for each stage too.
    """

    def __init__(self, registry: CollectorRegistry, folder: Path | None = None, tracing: Tracing = NO_TRACING) -> None:
        self.registry = registry
        self.tracing = tracing
        self._all = Instruments(METRICS, registry, folder)
        self._served: Cell | None = None
        self._probability = self._all.distribution(_PROBABILITY)
        self._in_flight = self._all.cell(_IN_FLIGHT)
        self._all.cell(_REPLICAS).set(1)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Measure a stage while the block runs, also when it fails, and trace it."""
        return _Stage(self._all.distribution(_LATENCY, name), self.tracing, name)

    def decided(self, record: DecisionRecord) -> None:
        """Count an answered decision."""
        self._all.cell(_REQUESTS, "ok", record.model.version).add()
        self._all.cell(_DECISIONS, record.decision.value).add()
        self._probability.observe(record.probability)
        self._views(record.views)

    def failed(self, error: CreditError, model: ModelVersion | None) -> None:
        """Count a client that was not scored."""
        self._all.cell(_REQUESTS, error.code, model.version if model else _NO_MODEL).add()

    def turned_away(self, reason: Reason) -> None:
        """Count a caller that did not prove who it is, or may not do what it asked for."""
        self._all.cell(_TURNED_AWAY, reason).add()

    def decision_log(self, entries: int, limit: int) -> None:
        """Tell how full the decision log is."""
        self._all.cell(_LOG_ENTRIES).set(entries)
        self._all.cell(_LOG_LIMIT).set(limit)

    def serving(self, model: ModelVersion) -> None:
        """Name the model that answers from now on."""
        if self._served is not None:
            self._served.set(0)
        self._served = self._all.cell(_MODEL, model.name, model.version, model.bundle[:12])
        self._served.set(1)

    def arrived(self) -> None:
        """Count an HTTP request as under way."""
        self._in_flight.add()

    def answered(self, route: str, status: int, problem: str | None, seconds: float | None) -> None:
        """Count an HTTP request that is done.

        Args:
            route: its template.
            status: of the answer.
            problem: code of the problem that was answered, if any.
            seconds: how long a single score took; None for all else.
        """
        self._in_flight.add(-1)
        self._all.cell(_HTTP, route, str(status)).add()
        if problem in REFUSALS:
            self._all.cell(_REFUSED, problem).add()
        if seconds is not None:
            self._all.distribution(_LATENCY, "http").observe(seconds)

    def close(self) -> None:
        """End tracing; take this process's gauges away."""
        self.tracing.close()
        self._all.close()

    def _views(self, views: Mapping[str, ViewState]) -> None:
        for name, state in views.items():
            if state.age_seconds is not None:
                self._all.distribution(_AGE, name).observe(state.age_seconds)
            if state.status is not ViewStatus.PRESENT:
                self._all.cell(_MISSING, name, state.status.value).add()


class _Stage:
    """Measures one stage. A class, because a generator costs three times as much."""

    __slots__ = ("_name", "_seconds", "_span", "_started", "_tracing")

    def __init__(self, seconds: Distribution, tracing: Tracing, name: str) -> None:
        self._seconds = seconds
        self._tracing = tracing
        self._name = name
        self._span: Span | None = None
        self._started = 0.0

    def __enter__(self) -> None:
        self._span = self._tracing.stage(self._name)
        self._started = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds.observe(time.perf_counter() - self._started)
        if self._span is not None:
            self._span.end(failed=error is not None, code=None if error is None else code_of(error))
