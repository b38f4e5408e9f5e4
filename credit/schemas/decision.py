"""The decision record: serving writes it, monitoring reads it, a validator replays it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from credit.reason_codes import Language
from credit.schemas.features import Frozen, MissingPolicy, ViewStatus
from credit.schemas.overrides import NO_OVERRIDES, Overrides

#: Field of a stream's entry that holds the record as JSON.
RECORD_FIELD: Final = "record"


class Decision(StrEnum):
    """The outcome of a scored application."""

    APPROVED = "approved"
    REFUSED = "refused"
    REFERRED = "referred"


class Reason(Frozen):
    """One exact SHAP contribution that pushed towards refusal. `contribution` is in margin units (log-odds)."""

    feature: str
    value: float | str | None
    contribution: float
    text: str


class ViewState(Frozen):
    """State of one feature view when it was read. `age_seconds` counts from the build (pipeline freshness)."""

    status: ViewStatus
    as_of: datetime | None
    built_at: datetime | None
    age_seconds: float | None


class DataQuality(Frozen):
    """How much a score had to go by.

    Attributes:
        coverage: share of the model's stored features that held a value, of those it was trained with.
        stale: views older than their limit; they were used as they are.
        missing: views without a usable row.
        policies: by missing view, what was done: `impute` scores without it, `refer` leaves the decision to a person.
    """

    coverage: float
    stale: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    policies: dict[str, MissingPolicy] = Field(default_factory=dict)


class ModelVersion(Frozen):
    """The model that answered. `bundle` is the sha256 of the bundle's manifest."""

    name: str
    version: str
    bundle: str


class DecisionRecord(Frozen):
    """Everything needed to replay one decision bit for bit.

    `values` holds the stored feature values that were read, by view then feature, before any encoding: a float,
    a string, or None for null. `overrides` is what the request stated in place of stored values. Probabilities are
    calibrated; `margin` is the model's raw log-odds; `points` its scorecard points. `caller` is whose key or token
    asked. Without `explained`, the caller did not want reasons; replaying gives them all the same.
    """

    # An infinite feature value must come back as it went: JSON has no such number, and null would be a missing value.
    model_config = ConfigDict(ser_json_inf_nan="strings")

    decision_id: str
    client_id: int
    decided_at: datetime
    request_id: str
    caller: str
    values: dict[str, dict[str, float | str | None]]
    overrides: Overrides = NO_OVERRIDES
    views: dict[str, ViewState]
    margin: float
    probability: float
    points: float
    threshold: float
    decision: Decision
    risk_band: str
    language: Language
    explained: bool
    reasons: tuple[Reason, ...]
    quality: DataQuality
    model: ModelVersion


class Outcome(StrEnum):
    """How a granted credit ended."""

    DEFAULT = "default"
    REPAID = "repaid"


class _Event(Frozen):
    """What became of a decision later. `caller` is whose key or token told."""

    event_id: str
    decision_id: str
    client_id: int
    recorded_at: datetime
    request_id: str
    caller: str


class OutcomeEvent(_Event):
    """How the credit ended, and when."""

    kind: Literal["outcome"] = "outcome"
    outcome: Outcome
    date: date


class OverrideEvent(_Event):
    """A person decided otherwise (or confirmed): who, what and why."""

    kind: Literal["override"] = "override"
    decision: Literal[Decision.APPROVED, Decision.REFUSED]
    author: str
    reason: str


#: Ends what an event says, ahead of its JSON.
EVENT_SEPARATOR: Final = b"\n"

DecisionEvent = Annotated[OutcomeEvent | OverrideEvent, Field(discriminator="kind")]


def kept_event(event: DecisionEvent, text: str) -> bytes:
    """An event as its decision's Redis list keeps it: what it says, a line break, its JSON as it was acknowledged."""
    return said(event) + text.encode()


def said(event: DecisionEvent) -> bytes:
    """What an event says, without when and by whom it was sent; ends with a line break, which JSON does not hold."""
    sent = {"event_id", "recorded_at", "request_id", "caller"}
    return event.model_dump_json(exclude=sent).encode() + EVENT_SEPARATOR


def decision_stream_key(project: str) -> str:
    """The Redis stream of decisions; the braces keep it in one cluster slot with its index."""
    return f"{{{project}}}:decisions"


def decision_index_key(project: str, decision_id: str) -> str:
    """The Redis key that holds the stream entry id of one decision."""
    return f"{{{project}}}:decision:{decision_id}"


def idempotency_key(project: str, digest: str) -> str:
    """The Redis key of a caller's idempotency key, which is known here by its digest only."""
    return f"{{{project}}}:idempotency:{digest}"


def event_stream_key(project: str) -> str:
    """The Redis stream of what became of decisions: outcomes and people's overrides."""
    return f"{{{project}}}:decision-events"


def events_key(project: str, kind: str, decision_id: str) -> str:
    """The Redis list of one decision's events of one kind, oldest first."""
    return f"{{{project}}}:decision-events:{kind}:{decision_id}"
