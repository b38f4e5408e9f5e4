"""Bodies of `POST /v1/score` and `POST /v1/score/batch`."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from credit.reason_codes import Language
from credit.schemas.decision import DataQuality, Decision, Reason, ViewState
from credit.schemas.features import Frozen
from credit.schemas.overrides import NO_OVERRIDES, Overrides

MAX_CLIENT_ID: Final = 2**63 - 1
MAX_ITEMS: Final = 1_000
EXAMPLE_CLIENT: Final = 100002

ClientId = Annotated[int, Field(ge=1, le=MAX_CLIENT_ID, description="SK_ID_CURR of the client.")]


class StrictRequest(BaseModel):
    """Base of request bodies: unknown fields and numbers in quotes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ScoreRequest(StrictRequest):
    """Whom to score, and what a new application states. The threshold is the model's: no request can set it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"client_id": EXAMPLE_CLIENT},
                {"client_id": EXAMPLE_CLIENT, "application": {"amt_credit": 500_000, "amt_annuity": 25_000}},
            ]
        }
    )

    client_id: ClientId
    application: Overrides = Field(
        NO_OVERRIDES, description="Amounts of a new application, in place of the stored one's."
    )
    reasons: bool = Field(True, description="Whether to name the reasons; without them the answer is quicker.")
    lang: Language = Field("en", description="Language of the reasons.")


class BatchRequest(StrictRequest):
    """Up to 1,000 requests in one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"client_id": EXAMPLE_CLIENT}, {"client_id": EXAMPLE_CLIENT + 1}]}]}
    )

    items: tuple[ScoreRequest, ...] = Field(min_length=1, max_length=MAX_ITEMS, strict=False)


class AnsweringModel(Frozen):
    """The model version that made a decision."""

    name: str
    version: str


EXAMPLE_ANSWER: Final[dict[str, Any]] = {
    "client_id": EXAMPLE_CLIENT,
    "decision_id": "0198f3b2-6c1e-7a40-9d51-2f0a6b8c1d3e",
    "probability": 0.1873,
    "points": 529.5,
    "prediction": 1,
    "decision": "refused",
    "threshold": 0.0909,
    "risk_band": "D",
    "reasons": [
        {
            "feature": "ext_source_3",
            "value": 0.139,
            "contribution": 0.71,
            "text": "The score of an external source is low.",
        }
    ],
    "features": {
        "application": {
            "status": "present",
            "as_of": "2022-03-07T10:12:44Z",
            "built_at": "2022-03-08T01:00:00Z",
            "age_seconds": 3600.0,
        }
    },
    "quality": {"coverage": 0.93, "stale": [], "missing": [], "policies": {}},
    "model": {"name": "credit-scoring", "version": "3"},
}


class ScoreAnswer(Frozen):
    """A decision with its calibrated probability of default, the reasons and the state of what it was based on."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_ANSWER]})

    client_id: int
    decision_id: str = Field(description="Id of the recorded decision; ids sort by time.")
    probability: float = Field(description="Calibrated probability of default.")
    points: float = Field(description="Scorecard points: 600 at odds of 50 to 1, 20 more each time the odds double.")
    prediction: int = Field(description="1 when the probability reaches the threshold, else 0.")
    decision: Decision
    threshold: float
    risk_band: str
    reasons: tuple[Reason, ...] = Field(description="Exact SHAP contributions towards refusal, largest first.")
    features: dict[str, ViewState] = Field(description="State of each feature view when it was read.")
    quality: DataQuality = Field(description="How much the score had to go by.")
    model: AnsweringModel


class ItemProblem(Frozen):
    """Why one item of a batch was not scored."""

    code: str = Field(description="Stable machine name, as in problem details.")
    detail: str


class BatchItem(Frozen):
    """The result of one item, or its problem."""

    client_id: int
    result: ScoreAnswer | None = None
    problem: ItemProblem | None = None


class BatchAnswer(Frozen):
    """One item for each of the request, in its order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"client_id": EXAMPLE_CLIENT, "result": EXAMPLE_ANSWER, "problem": None},
                        {
                            "client_id": EXAMPLE_CLIENT + 1,
                            "result": None,
                            "problem": {"code": "unknown_client", "detail": "client 100003 is unknown"},
                        },
                    ]
                }
            ]
        }
    )

    items: tuple[BatchItem, ...]
