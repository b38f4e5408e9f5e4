"""What every router of the application is made from."""

from dataclasses import dataclass

from fastapi import Security
from fastapi.params import Depends

from serving.api.access import Access, Scope
from serving.api.workers import Workers
from serving.decisions_history import DecisionHistory
from serving.drift_summaries import DriftSummaries
from serving.registered_models import RegisteredModels
from serving.service import ScoringService


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes of a request body: of one request, and of a batch."""

    single: int
    batch: int


@dataclass(frozen=True, slots=True)
class History:
    """Recorded decisions, with threads of their own: an archive far away must not keep scoring waiting."""

    decisions: DecisionHistory
    workers: Workers


@dataclass(frozen=True, slots=True)
class Edge:
    """The parts that the routers share.

    Attributes:
        service: answers.
        workers: threads in which the service is called.
        access: tells callers and what they may do.
        bodies: limits of request bodies.
        drift: where drift summaries are found, if anywhere.
        metrics_open: whether anyone may read /metrics.
        cors_origins: sites whose pages may call from a browser.
        registered: tells the versions in the registry.
        history: recorded decisions; None leaves out the operations on them.
    """

    service: ScoringService
    workers: Workers
    access: Access
    bodies: BodyLimits
    drift: DriftSummaries | None = None
    metrics_open: bool = True
    cors_origins: tuple[str, ...] = ()
    registered: RegisteredModels | None = None
    history: History | None = None

    def needs(self, *scopes: Scope) -> list[Depends]:
        """`dependencies` of an operation that only callers with these scopes may use."""
        return [Security(self.access, scopes=[*scopes])]
