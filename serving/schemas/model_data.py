"""Answers about the model and its data: `/model/*`, `/data/*`, `/` and `/health`."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from credit.cost import CostMatrix
from credit.policy import RiskBands
from credit.schemas.features import Frozen


class ServiceLinks(Frozen):
    """What this service is, and where to go on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "credit-scoring", "version": "0.1.0", "links": {"docs": "/docs", "health": "/health"}}
            ]
        }
    )

    name: str
    version: str
    links: dict[str, str]


class Health(Frozen):
    """Everything that a decision needs is there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "healthy", "checks": {"model": "ok", "stores": "ok"}, "model": "credit-scoring version 3"}
            ]
        }
    )

    status: Literal["healthy"] = "healthy"
    checks: dict[str, str]
    model: str


class ModelInfo(Frozen):
    """The model that answers now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "credit-scoring",
                    "version": "3",
                    "bundle": "5f0c" * 16,
                    "type": "LightGBM",
                    "trees": 300,
                    "features": 305,
                    "feature_service": "credit_scoring_v1",
                    "trained": "2026-01-02T03:04:05Z",
                    "data_from": "2019-01-01T00:00:00Z",
                    "data_until": "2021-12-31T00:00:00Z",
                    "threshold": 0.0909,
                    "costs": {"false_negative": 10.0, "false_positive": 1.0},
                    "risk_bands": {"names": ["A", "B"], "cuts": [0.1]},
                    "metrics": {"auc": 0.77},
                    "libraries": {"lightgbm": "4.7.0"},
                }
            ]
        }
    )

    name: str
    version: str
    bundle: str = Field(description="sha256 of the bundle's manifest.")
    type: Literal["LightGBM"] = "LightGBM"
    trees: int
    features: int
    feature_service: str
    trained: datetime
    data_from: datetime = Field(description="First application time that training saw.")
    data_until: datetime
    threshold: float
    costs: CostMatrix
    risk_bands: RiskBands
    metrics: dict[str, float]
    libraries: dict[str, str]


class RankedFeature(Frozen):
    """One feature by its weight in the model."""

    rank: int
    feature: str
    importance: float = Field(description="Mean absolute contribution over training, margin units.")
    share: float = Field(description="Share of the importance of all features.")


class ModelFeatures(Frozen):
    """Features, the most important first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total": 305,
                    "features": [{"rank": 1, "feature": "ext_source_mean", "importance": 0.41, "share": 0.18}],
                }
            ]
        }
    )

    total: int = Field(description="Number of features of the model.")
    features: tuple[RankedFeature, ...]


class NamedFeature(Frozen):
    """One feature of the contract."""

    name: str
    view: str | None = Field(None, description="Its feature view; null when it is computed with the request.")
    kind: Literal["numeric", "categorical"]
    categories: tuple[str, ...] | None = Field(None, description="Texts in the order of their codes, which start at 1.")


class FeatureNames(Frozen):
    """What the model eats, in its order, and what else `/predict` takes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "features": [
                        {"name": "ext_source_1", "view": "application", "kind": "numeric", "categories": None},
                        {
                            "name": "flag_own_car",
                            "view": "application",
                            "kind": "categorical",
                            "categories": ["N", "Y"],
                        },
                    ],
                    "inputs": ["amt_credit"],
                    "columns": {"FLAG_OWN_CAR": ["flag_own_car"], "CODE_GENDER": []},
                }
            ]
        }
    )

    features: tuple[NamedFeature, ...]
    inputs: tuple[str, ...] = Field(description="Stored values that only request-time features are computed from.")
    columns: dict[str, tuple[str, ...]] = Field(
        description="Columns of an application by their Kaggle names, each with the features that it gives: "
        "none for a column that the model does not read."
    )


class NumberStatistics(Frozen):
    """One numeric column; null where there are too few values."""

    kind: Literal["numeric"] = "numeric"
    count: int = Field(description="Values that are not missing.")
    missing: float = Field(description="Share that is missing.")
    mean: float | None = None
    std: float | None = Field(None, description="Standard deviation of the sample (n - 1).")
    min: float | None = None
    q25: float | None = None
    median: float | None = None
    q75: float | None = None
    max: float | None = None


class CategoryStatistics(Frozen):
    """One column of texts."""

    kind: Literal["categorical"] = "categorical"
    count: int = Field(description="Values that are not missing.")
    missing: float = Field(description="Share that is missing.")
    shares: dict[str, float] = Field(description="Share of each text among those that are not missing.")


class ReferenceDescription(Frozen):
    """The sample of training clients that drift is measured against."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "credit-scoring version 3",
                    "rows": 5000,
                    "features": {
                        "ext_source_1": {
                            "kind": "numeric",
                            "count": 2180,
                            "missing": 0.564,
                            "mean": 0.5,
                            "std": 0.21,
                            "min": 0.01,
                            "q25": 0.33,
                            "median": 0.51,
                            "q75": 0.67,
                            "max": 0.96,
                        },
                        "flag_own_car": {
                            "kind": "categorical",
                            "count": 5000,
                            "missing": 0.0,
                            "shares": {"N": 0.66, "Y": 0.34},
                        },
                    },
                }
            ]
        }
    )

    model: str
    rows: int
    features: dict[str, NumberStatistics | CategoryStatistics]
