"""Bodies of the raw-feature operations: `/predict` and its siblings."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from credit.schemas.decision import Decision
from credit.schemas.features import Frozen, MissingPolicy
from serving.schemas.score import MAX_ITEMS, AnsweringModel, ItemProblem, StrictRequest

EXAMPLE_FEATURES: Final[dict[str, Any]] = {
    "AMT_CREDIT": 406597.5,
    "AMT_ANNUITY": 24700.5,
    "AMT_INCOME_TOTAL": 202500.0,
    "DAYS_EMPLOYED": -637,
    "NAME_EDUCATION_TYPE": "Secondary / secondary special",
    "EXT_SOURCE_2": 0.263,
    "bureau_active_count": 2,
}
Features = Annotated[
    dict[str, Any],
    Field(
        min_length=1,
        description="Values by name: features of the model (`GET /model/feature-names`), or columns of an application "
        "with their Kaggle names and values. Null stands for missing.",
    ),
]
_Share = Annotated[float, Field(ge=0, le=1)]


class PredictRequest(StrictRequest):
    """One application by its raw features."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"features": EXAMPLE_FEATURES}]})

    features: Features


class PredictBatchRequest(StrictRequest):
    """Up to 1,000 applications."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"features": EXAMPLE_FEATURES}, {"features": {"EXT_SOURCE_3": 0.71}}]}]
        }
    )

    items: tuple[PredictRequest, ...] = Field(min_length=1, max_length=MAX_ITEMS, strict=False)


_Amount = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
_Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="Higher is safer.")]


class SimpleRequest(StrictRequest):
    """A handful of plain facts; the model treats all else as missing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "income": 202500,
                    "credit_amount": 406597.5,
                    "annuity": 24700.5,
                    "years_employed": 1.7,
                    "external_score_2": 0.263,
                }
            ]
        }
    )

    income: _Amount = Field(description="Yearly income.")
    credit_amount: _Amount = Field(description="Credit applied for.")
    annuity: _Amount = Field(description="Its annuity.")
    goods_price: _Amount | None = Field(None, description="Price of the goods that the credit pays for.")
    age_years: float | None = Field(
        None, ge=0, le=150, description="Taken and not used: age is protected and in no decision."
    )
    years_employed: float | None = Field(None, ge=0, le=100, description="Years in the present work.")
    external_score_1: _Score | None = None
    external_score_2: _Score | None = None
    external_score_3: _Score | None = None
    education: str | None = Field(None, description="As NAME_EDUCATION_TYPE of the Kaggle files.")
    owns_car: bool | None = None
    owns_realty: bool | None = None


class PredictionQuality(Frozen):
    """How much a prediction had to go by.

    A view is missing when nothing of it was given; its policy says what was done.
    """

    coverage: _Share = Field(description="Share of the model's stored features that hold a value.")
    views: dict[str, _Share] = Field(description="The same by feature view.")
    missing: tuple[str, ...] = Field(description="Views of which nothing was given.")
    policies: dict[str, MissingPolicy] = Field(description="By missing view: `impute` or `refer`.")
    unknown_categories: tuple[str, ...] = Field(
        description="Features whose text the model never saw; they are scored as UNKNOWN."
    )
    unused: tuple[str, ...] = Field(description="Known names that the model does not read.")


EXAMPLE_PREDICTION: Final[dict[str, Any]] = {
    "probability": 0.1873,
    "prediction": 1,
    "decision": "refused",
    "threshold": 0.0909,
    "simulated": False,
    "confidence": 0.8127,
    "risk_band": "D",
    "risk_level": "medium",
    "points": 529.5,
    "quality": {
        "coverage": 0.03,
        "views": {"application": 0.1, "bureau": 0.02, "installments": 0.0},
        "missing": ["installments"],
        "policies": {"installments": "impute"},
        "unknown_categories": [],
        "unused": [],
    },
    "model": {"name": "credit-scoring", "version": "3"},
    "recorded": False,
}


class PredictAnswer(Frozen):
    """A prediction. It belongs to no client, so that it is not recorded and no decision stands on it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_PREDICTION]})

    probability: float = Field(description="Calibrated probability of default.")
    prediction: int = Field(description="1 when the probability reaches `threshold`, else 0.")
    decision: Decision = Field(description="By `threshold`; `referred` when a missing view's policy says so.")
    threshold: float = Field(description="The model's, or the simulated one.")
    simulated: bool = Field(description="Whether the caller stated the threshold: nothing but a what-if.")
    confidence: float = Field(description="Probability of the likelier outcome: the larger of p and 1 - p.")
    risk_band: str
    risk_level: Literal["low", "medium", "high"] = Field(
        description="The band in words: the lowest, middle and highest third of the bands."
    )
    points: float = Field(description="Scorecard points: fewer mean more risk.")
    quality: PredictionQuality
    model: AnsweringModel
    recorded: Literal[False] = False


class PredictItem(Frozen):
    """The result of one application of a batch, or its problem."""

    result: PredictAnswer | None = None
    problem: ItemProblem | None = None


class PredictBatchAnswer(Frozen):
    """One item for each of the request, in its order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"result": EXAMPLE_PREDICTION, "problem": None},
                        {
                            "result": None,
                            "problem": {
                                "code": "invalid_request",
                                "detail": "colour: is no feature of the model and no column of an application",
                            },
                        },
                    ]
                }
            ]
        }
    )

    items: tuple[PredictItem, ...]


class Contribution(Frozen):
    """One exact SHAP contribution in margin units; above 0 it pushes towards default."""

    feature: str
    value: float | str | None
    contribution: float


class ExplainedPrediction(Frozen):
    """A prediction with what made it: `base` plus all contributions is `margin`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prediction": EXAMPLE_PREDICTION,
                    "margin": -1.53,
                    "base": -2.53,
                    "contributions": [{"feature": "ext_source_2", "value": 0.263, "contribution": 0.62}],
                    "rest": 0.38,
                }
            ]
        }
    )

    prediction: PredictAnswer
    margin: float = Field(description="The model's raw log-odds of default, before calibration.")
    base: float = Field(description="Margin of the average client.")
    contributions: tuple[Contribution, ...] = Field(description="The strongest first, whatever their sign.")
    rest: float = Field(description="Sum of the contributions that `top_n` left out.")
