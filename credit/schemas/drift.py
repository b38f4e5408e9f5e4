"""The newest drift summary: a monitoring job leaves it beside the decision log, serving shows it."""

from datetime import datetime

from pydantic import ConfigDict, Field

from credit.schemas.features import Frozen


class FeatureDrift(Frozen):
    """One feature: `statistic` names the measure (such as `psi`); it drifts when `value` exceeds `limit`."""

    statistic: str
    value: float
    limit: float
    drifted: bool


class DriftSummary(Frozen):
    """What was served of late against the reference sample of one model version.

    Attributes:
        created: when the job ran.
        model_version: whose reference sample.
        served_from: time of the first decision that was looked at.
        served_until: time of the last one.
        reference_rows: rows of the reference sample.
        served_rows: decisions that were looked at.
        drifted: the job's verdict on the whole.
        drifted_share: share of the features that drifted.
        features: by name.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "created": "2026-01-02T00:00:00Z",
                    "model_version": "3",
                    "served_from": "2026-01-01T00:00:00Z",
                    "served_until": "2026-01-02T00:00:00Z",
                    "reference_rows": 5000,
                    "served_rows": 700,
                    "drifted": False,
                    "drifted_share": 0.0,
                    "features": {"ext_source_1": {"statistic": "psi", "value": 0.02, "limit": 0.2, "drifted": False}},
                }
            ]
        }
    )

    created: datetime
    model_version: str
    served_from: datetime
    served_until: datetime
    reference_rows: int = Field(ge=0)
    served_rows: int = Field(ge=0)
    drifted: bool
    drifted_share: float = Field(ge=0, le=1)
    features: dict[str, FeatureDrift]


def drift_summary_key(project: str) -> str:
    """The Redis key of the newest summary, as JSON, on the server of the decision log and in the decisions' slot."""
    return f"{{{project}}}:drift"
