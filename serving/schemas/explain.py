"""Bodies of `POST /v1/explain`."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from credit.reason_codes import Language
from credit.schemas.decision import DataQuality, ViewState
from credit.schemas.features import Frozen
from credit.schemas.overrides import NO_OVERRIDES, Overrides
from serving.schemas.score import EXAMPLE_CLIENT, AnsweringModel, ClientId, StrictRequest

MOST_BARS: Final = 1_000


class ExplainRequest(StrictRequest):
    """Whose score to explain, and what a new application states."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"client_id": EXAMPLE_CLIENT, "top": 8},
                {"client_id": EXAMPLE_CLIENT, "application": {"amt_credit": 500_000}, "lang": "fr"},
            ]
        }
    )

    client_id: ClientId
    application: Overrides = Field(
        NO_OVERRIDES, description="Amounts of a new application, in place of the stored one's."
    )
    top: Annotated[int, Field(ge=1, le=MOST_BARS)] | None = Field(
        None, description="Bars of the waterfall that stand alone; the rest follow as one. All of them by default."
    )
    lang: Language = Field("en", description="Language of the texts.")


class FeatureContribution(Frozen):
    """What one model feature adds to the margin."""

    feature: str
    view: str | None = Field(description="Where it is stored; null for a feature that the request computes.")
    value: float | str | None
    contribution: float = Field(description="Margin units (log-odds); positive pushes towards refusal.")
    text: str


class WaterfallBar(Frozen):
    """What the features of one reason text add together."""

    text: str | None = Field(description="Null for the last bar when it takes all weaker ones together.")
    members: tuple[str, ...] = Field(description="Model features of this bar.")
    contribution: float
    start: float
    end: float = Field(description="Start plus contribution, and the next bar's start.")


EXAMPLE_MODEL: Final[dict[str, Any]] = {"name": "credit-scoring", "version": "3"}
EXAMPLE_STATE: Final[dict[str, Any]] = {
    "status": "present",
    "as_of": "2022-03-07T10:12:44Z",
    "built_at": "2022-03-08T01:00:00Z",
    "age_seconds": 3600.0,
}
EXAMPLE_QUALITY: Final[dict[str, Any]] = {"coverage": 0.93, "stale": [], "missing": [], "policies": {}}


class ExplainAnswer(Frozen):
    """Every contribution to one score, exact, and folded into bars. No decision: nothing is recorded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "client_id": EXAMPLE_CLIENT,
                    "base_value": -2.5,
                    "contributions": [
                        {
                            "feature": "ext_source_3",
                            "view": "application",
                            "value": 0.139,
                            "contribution": 0.75,
                            "text": "External credit score 3",
                        },
                        {
                            "feature": "credit_to_annuity",
                            "view": None,
                            "value": 20.0,
                            "contribution": -0.25,
                            "text": "Duration of the credit (amount compared with repayments)",
                        },
                    ],
                    "waterfall": [
                        {
                            "text": "External credit score 3",
                            "members": ["ext_source_3"],
                            "contribution": 0.75,
                            "start": -2.5,
                            "end": -1.75,
                        },
                        {
                            "text": None,
                            "members": ["credit_to_annuity"],
                            "contribution": -0.25,
                            "start": -1.75,
                            "end": -2.0,
                        },
                    ],
                    "sum": -2.0,
                    "margin": -2.0,
                    "probability": 0.1192,
                    "points": 544.8,
                    "threshold": 0.0909,
                    "threshold_margin": -2.3026,
                    "features": {"application": EXAMPLE_STATE},
                    "quality": EXAMPLE_QUALITY,
                    "model": EXAMPLE_MODEL,
                }
            ]
        }
    )

    client_id: int
    base_value: float = Field(description="Margin of the mean training client.")
    contributions: tuple[FeatureContribution, ...] = Field(
        description="Exact SHAP values of all model features, the strongest first."
    )
    waterfall: tuple[WaterfallBar, ...] = Field(
        description="The same contributions by reason text, the strongest first, from the base value to the sum."
    )
    sum: float = Field(description="Base value plus all contributions: the margin, to within 1e-9.")
    margin: float = Field(description="The model's raw log-odds, before calibration.")
    probability: float = Field(description="Calibrated probability of default.")
    points: float = Field(description="Scorecard points.")
    threshold: float = Field(description="Probability from which on the model refuses.")
    threshold_margin: float | None = Field(
        description="The same in margin units, to within rounding; null where no margin reaches it."
    )
    features: dict[str, ViewState] = Field(description="State of each feature view when it was read.")
    quality: DataQuality
    model: AnsweringModel
