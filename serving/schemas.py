"""What callers send and get: the bodies of `POST /v1/score`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from credit.schemas.decision import Decision, Reason, ViewState
from credit.schemas.features import Frozen

MAX_CLIENT_ID = 2**63 - 1
EXAMPLE_CLIENT = 100002


class ScoreRequest(BaseModel):
    """Whom to score. Numbers must be JSON integers; unknown fields are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, json_schema_extra={"examples": [{"client_id": EXAMPLE_CLIENT}]}
    )

    client_id: Annotated[int, Field(ge=1, le=MAX_CLIENT_ID, description="SK_ID_CURR of the client.")]


class AnsweringModel(Frozen):
    """The model version that made a decision."""

    name: str
    version: str


class ScoreAnswer(Frozen):
    """A decision with its calibrated probability of default, the reasons and the state of what it was based on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "client_id": EXAMPLE_CLIENT,
                    "decision_id": "0198f3b2-6c1e-7a40-9d51-2f0a6b8c1d3e",
                    "probability": 0.1873,
                    "prediction": 1,
                    "decision": "refused",
                    "threshold": 0.0909,
                    "risk_band": "D",
                    "reasons": [
                        {
                            "feature": "EXT_SOURCE_3",
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
                    "model": {"name": "credit-scoring", "version": "3"},
                }
            ]
        }
    )

    client_id: int
    decision_id: str = Field(description="Id of the recorded decision; ids sort by time.")
    probability: float = Field(description="Calibrated probability of default.")
    prediction: int = Field(description="1 when the probability reaches the threshold, else 0.")
    decision: Decision
    threshold: float
    risk_band: str
    reasons: tuple[Reason, ...] = Field(description="Exact SHAP contributions towards refusal, largest first.")
    features: dict[str, ViewState] = Field(description="State of each feature view when it was read.")
    model: AnsweringModel
