"""Bodies of the operations on `/v1/decisions`."""

import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints

from credit.schemas.decision import DecisionRecord, Outcome, OutcomeEvent, OverrideEvent
from credit.schemas.features import Frozen
from serving.schemas.score import EXAMPLE_ANSWER, EXAMPLE_CLIENT, StrictRequest

EXAMPLE_DECISION: Final[str] = EXAMPLE_ANSWER["decision_id"]
HumanDecision = Literal["approved", "refused"]

#: One line of text with something in it.
_Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$"), Field(max_length=200)
]
_Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"),
    Field(max_length=2_000),
]

_EVENT: Final[dict[str, Any]] = {
    "event_id": "019b76da-1234-7abc-8def-0123456789ab",
    "decision_id": EXAMPLE_DECISION,
    "client_id": EXAMPLE_CLIENT,
    "recorded_at": "2026-11-24T10:42:00Z",
    "request_id": "5f1c9a52",
    "caller": "loans",
}
_OUTCOME: Final = {**_EVENT, "kind": "outcome", "outcome": "repaid", "date": "2026-11-20"}
_OVERRIDE: Final = {
    **_EVENT,
    "kind": "override",
    "decision": "approved",
    "author": "J. Martin",
    "reason": "Income was confirmed by the employer.",
}
_RECORD: Final[dict[str, Any]] = {
    **{name: value for name, value in EXAMPLE_ANSWER.items() if name not in ("prediction", "features", "model")},
    "decided_at": "2026-03-08T02:00:00Z",
    "request_id": "77ab03",
    "caller": "loans",
    "values": {"application": {"ext_source_3": 0.139, "name_education_type": "Higher education"}},
    "overrides": {"amt_credit": 500_000.0},
    "views": EXAMPLE_ANSWER["features"],
    "margin": -1.4678,
    "language": "en",
    "explained": True,
    "model": {**EXAMPLE_ANSWER["model"], "bundle": "9f2c" * 16},
}


class OutcomeRequest(StrictRequest):
    """How a granted credit ended, and on which day."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "repaid", "date": "2026-11-20"}]})

    outcome: Outcome
    date: datetime.date = Field(description="Not before the decision, and not in the future.")


class OverrideRequest(StrictRequest):
    """A person's decision in place of the model's, or to confirm it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{name: _OVERRIDE[name] for name in ("decision", "author", "reason")}]}
    )

    decision: HumanDecision
    author: _Line = Field(description="Who decided.")
    reason: _Text = Field(description="Why.")


class OutcomeAnswer(OutcomeEvent):
    """The outcome as it was recorded, the first time that it was told."""

    model_config = ConfigDict(json_schema_extra={"examples": [_OUTCOME]})


class OverrideAnswer(OverrideEvent):
    """The override as it was recorded."""

    model_config = ConfigDict(json_schema_extra={"examples": [_OVERRIDE]})


class DecisionDetails(Frozen):
    """A decision's record, and what became of it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"record": _RECORD, "outcome": _OUTCOME, "overrides": [_OVERRIDE]}]}
    )

    record: DecisionRecord
    outcome: OutcomeEvent | None
    overrides: tuple[OverrideEvent, ...] = Field(description="Oldest first: the last one holds.")
