"""Bodies of `GET /v1/models` and below."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from credit.cost import CostMatrix
from credit.points import PointsScale
from credit.policy import RiskBands
from credit.schemas.features import Frozen

_MOMENT: Final = "2026-01-05T04:10:00Z"
_SUMMARY: Final[dict[str, Any]] = {
    "name": "credit-scoring",
    "version": "3",
    "alias": "champion",
    "bundle": "61b5a3737a0a" + "0" * 52,
    "trained_at": _MOMENT,
    "metrics": {"test_auc": 0.78},
}
_REGISTERED: Final[dict[str, Any]] = {
    "version": "3",
    "created_at": _MOMENT,
    "aliases": ["champion"],
    "bundle": "61b5a3737a0a" + "0" * 52,
}


class ModelSummary(Frozen):
    """A model version that this replica holds."""

    name: str
    version: str
    alias: str | None = Field(description="Alias that the replica follows; null for a version it followed before.")
    bundle: str = Field(description="sha256 of the bundle's manifest.")
    trained_at: datetime
    metrics: dict[str, float]


class RegisteredModel(Frozen):
    """A model version in the registry."""

    version: str
    created_at: datetime
    aliases: tuple[str, ...]
    bundle: str | None = Field(description="sha256 of the bundle's manifest, where the registry knows it.")


class ModelList(Frozen):
    """What this replica holds, and what the registry has."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"current": _SUMMARY, "previous": None, "registry": "available", "versions": [_REGISTERED]}]
        }
    )

    current: ModelSummary
    previous: ModelSummary | None = Field(description="The version before the last change, if this replica saw it.")
    registry: Literal["available", "unavailable"] = Field(
        description="Whether the registry told its versions in time; scoring does not need it."
    )
    versions: tuple[RegisteredModel, ...] | None = Field(
        description="All versions, the newest first; null while the registry is unavailable."
    )


class DataWindow(Frozen):
    """What a model learned from."""

    applications_from: datetime
    applications_until: datetime
    labels_known_until: datetime
    test_from: datetime = Field(description="First application time of the out-of-time test.")
    sample: int | None = Field(description="Size of the seeded sample of clients; null for all.")
    rows: dict[str, int] = Field(description="Clients by part of the split.")
    dataset_sha256: str


class ModelCounts(Frozen):
    """Sizes of a model."""

    features: int
    stored: int
    request_time: int
    categorical: int
    views: int
    trees: int


class CurrentModel(Frozen):
    """The model that answers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_SUMMARY,
                    "feature_service": "credit_scoring_v1",
                    "threshold": 0.0909,
                    "costs": {"false_negative": 10.0, "false_positive": 1.0},
                    "bands": {"names": ["A", "B", "C", "D", "E"], "cuts": [0.02, 0.05, 0.1, 0.2]},
                    "points": {"base": 600.0, "odds": 50.0, "doubling": 20.0},
                    "calibration": "platt",
                    "data": {
                        "applications_from": "2022-01-01T00:00:00Z",
                        "applications_until": "2024-12-31T00:00:00Z",
                        "labels_known_until": "2025-07-01T00:00:00Z",
                        "test_from": "2024-10-01T00:00:00Z",
                        "sample": None,
                        "rows": {"train": 200_000},
                        "dataset_sha256": "0" * 64,
                    },
                    "git_revision": "939a8d7",
                    "libraries": {"lightgbm": "4.7.0"},
                    "seed": 7,
                    "reason_texts": 1,
                    "counts": {
                        "features": 310,
                        "stored": 285,
                        "request_time": 25,
                        "categorical": 20,
                        "views": 6,
                        "trees": 600,
                    },
                }
            ]
        }
    )

    name: str
    version: str
    alias: str | None = Field(description="Alias that the replica follows.")
    bundle: str = Field(description="sha256 of the bundle's manifest.")
    trained_at: datetime
    metrics: dict[str, float]
    feature_service: str = Field(description="Feast feature service that the contract was frozen from.")
    threshold: float = Field(description="Probability of default from which on the model refuses.")
    costs: CostMatrix
    bands: RiskBands
    points: PointsScale
    calibration: str
    data: DataWindow
    git_revision: str
    libraries: dict[str, str]
    seed: int
    reason_texts: int = Field(description="Version of the reason texts.")
    counts: ModelCounts


class RankedFeature(Frozen):
    """A feature of the model by its global importance."""

    rank: int
    feature: str
    importance: float = Field(description="Mean absolute SHAP value, in margin units.")
    share: float = Field(description="Of the importance of all features together.")
    text: str
    view: str | None = Field(description="Where it is stored; null for a feature that the request computes.")
    kind: Literal["numeric", "categorical"]


class FeatureRanking(Frozen):
    """The features of the model that answers, the most important first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "credit-scoring",
                    "version": "3",
                    "bundle": "61b5a3737a0a" + "0" * 52,
                    "total": 310,
                    "features": [
                        {
                            "rank": 1,
                            "feature": "ext_source_mean",
                            "importance": 0.31,
                            "share": 0.12,
                            "text": "External credit scores, taken together",
                            "view": None,
                            "kind": "numeric",
                        }
                    ],
                }
            ]
        }
    )

    name: str
    version: str
    bundle: str
    total: int = Field(description="Features that the model has.")
    features: tuple[RankedFeature, ...]
