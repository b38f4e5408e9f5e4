"""The newest drift summary: a monitoring job leaves it beside the decision log, serving shows it."""

from datetime import datetime

from pydantic import Field

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
