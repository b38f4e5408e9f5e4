"""The audit trail of the retraining loop: what was done to models, when, why, and by whom."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from credit.schemas.features import Frozen


class AuditKind(StrEnum):
    """What happened. The order of the loop, then what people and other jobs do."""

    ALARM = "alarm"
    WAITING = "waiting"
    RETRAINING_STARTED = "retraining_started"
    RETRAINING_FAILED = "retraining_failed"
    CHALLENGER_REGISTERED = "challenger_registered"
    SHADOW_STARTED = "shadow_started"
    SHADOW_FINISHED = "shadow_finished"
    PROMOTED = "promoted"
    REFUSED = "refused"
    WATCH_STARTED = "watch_started"
    WATCH_PASSED = "watch_passed"
    ROLLED_BACK = "rolled_back"
    CLOSED = "closed"
    ERASED = "erased"
    REMOVED = "removed"


class AuditEvent(Frozen):
    """One step. Never changed or removed.

    Attributes:
        event_id: UUIDv7.
        at: when, UTC.
        kind: what.
        case: the retraining case that the step belongs to, such as `drift-v3-2025-08-01`; "" outside of a case.
        actor: who or what did it: a person's login, `retraining-loop`, `drift-job`, ...
        model_version: of which model version, if of any.
        text: one sentence for people.
        details: figures and names for machines.
    """

    event_id: str
    at: datetime
    kind: AuditKind
    case: str = ""
    actor: str
    model_version: str | None = None
    text: str
    details: dict[str, str | float | int | bool | None] = Field(default_factory=dict)


def audit_stream_key(project: str) -> str:
    """The Redis stream of audit events, on the decision log's server."""
    return f"{{{project}}}:audit"
