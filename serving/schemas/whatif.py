"""Bodies of `POST /v1/whatif`."""

import sys
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from credit.reason_codes import Language
from credit.schemas.decision import Decision, Reason, ViewState
from credit.schemas.features import Frozen
from serving.schemas.explain import EXAMPLE_MODEL, EXAMPLE_STATE
from serving.schemas.score import EXAMPLE_CLIENT, AnsweringModel, ClientId, StrictRequest

MOST_OVERRIDES: Final = 500
_Name = Annotated[str, Field(min_length=1, max_length=200)]


def _number_text_or_null(value: object) -> object:
    """One finding for a value, not one for each type that it could have been."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    raise PydanticCustomError("stored_value", "must be a finite number, a text or null")


_Value = Annotated[float | str | None, BeforeValidator(_number_text_or_null)]


class WhatIfRequest(StrictRequest):
    """What to take for other than it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"client_id": EXAMPLE_CLIENT, "overrides": {"amt_credit": 300_000, "ext_source_3": None}},
                {"client_id": EXAMPLE_CLIENT, "threshold": 0.15, "lang": "fr"},
            ]
        }
    )

    client_id: ClientId
    overrides: Annotated[dict[_Name, _Value], Field(max_length=MOST_OVERRIDES)] = Field(
        default_factory=dict,
        description="By stored feature, what to take it for: a number, a known category, or null for a missing value. "
        "Features that are computed with each request follow.",
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Another threshold to try in `after`; the model's own by default."
    )
    lang: Language = Field("en", description="Language of the texts.")


class Outcome(Frozen):
    """What the model says of one state of the client."""

    margin: float
    probability: float = Field(description="Calibrated probability of default.")
    points: float
    threshold: float
    decision: Decision = Field(description="What would be decided.")
    risk_band: str
    reasons: tuple[Reason, ...]


class ContributionChange(Frozen):
    """What one business feature adds to the margin before and after."""

    text: str
    members: tuple[str, ...] = Field(description="Model features that share the text.")
    before: float
    after: float
    delta: float


class SmallestChange(Frozen):
    """A change of one feature that turns the decision of `after` round."""

    feature: str = Field(description="Stored feature; sent as an override with `to`, it turns the decision.")
    text: str = Field(description="What the client would do.")
    change_from: float
    change_to: float = Field(description="The nearest value on the other side, to the last bit of the stored type.")
    distance: float = Field(description="Change, in spans that hold the middle 90 % of the reference clients.")
    probability: float
    decision: Decision


class ChangeSearch(Frozen):
    """How the smallest change was sought."""

    outcome: Literal["found", "none", "referred"] = Field(
        description="`none`: no single change of a mutable feature turns the decision. `referred`: a person decides, "
        "because a view is missing, whatever the values are."
    )
    features: tuple[str, ...] = Field(description="Mutable features that were tried.")
    evaluations: int = Field(description="Rows that the model scored.")
    complete: bool = Field(description="False when the limit of evaluations left larger changes untried.")


_REASON: Final[dict[str, Any]] = {
    "feature": "ext_source_3",
    "value": 0.139,
    "contribution": 0.71,
    "text": "External credit score 3",
}


class WhatIfAnswer(Frozen):
    """What would be different. A simulation: no decision, nothing is recorded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "simulation": True,
                    "client_id": EXAMPLE_CLIENT,
                    "before": {
                        "margin": -1.9,
                        "probability": 0.1301,
                        "points": 541.9,
                        "threshold": 0.0909,
                        "decision": "refused",
                        "risk_band": "D",
                        "reasons": [_REASON],
                    },
                    "after": {
                        "margin": -2.2,
                        "probability": 0.0998,
                        "points": 550.6,
                        "threshold": 0.0909,
                        "decision": "refused",
                        "risk_band": "C",
                        "reasons": [_REASON],
                    },
                    "delta_probability": -0.0303,
                    "delta_contributions": [
                        {
                            "text": "Amount of the credit applied for",
                            "members": ["requested_amt_credit"],
                            "before": 0.25,
                            "after": -0.05,
                            "delta": -0.3,
                        }
                    ],
                    "smallest_change": {
                        "feature": "amt_credit",
                        "text": "Apply for another amount",
                        "change_from": 300000.0,
                        "change_to": 284511.5,
                        "distance": 0.013,
                        "probability": 0.0897,
                        "decision": "approved",
                    },
                    "search": {
                        "outcome": "found",
                        "features": ["amt_credit", "amt_annuity"],
                        "evaluations": 129,
                        "complete": True,
                    },
                    "features": {"application": EXAMPLE_STATE},
                    "model": EXAMPLE_MODEL,
                }
            ]
        }
    )

    simulation: Literal[True] = True
    client_id: int
    before: Outcome = Field(description="With what is stored and the model's own threshold.")
    after: Outcome = Field(description="With the overrides and the threshold of the request.")
    delta_probability: float
    delta_contributions: tuple[ContributionChange, ...] = Field(
        description="By reason text, in margin units, the strongest change first."
    )
    smallest_change: SmallestChange | None
    search: ChangeSearch
    features: dict[str, ViewState] = Field(description="State of each feature view when it was read.")
    model: AnsweringModel
