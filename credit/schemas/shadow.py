"""What a challenger would have decided: serving records it, whoever compares models reads it."""

from datetime import datetime

from credit.schemas.decision import Decision, ModelVersion
from credit.schemas.features import Frozen


class ShadowRecord(Frozen):
    """A decision scored again by the challenger, without effect; names no client but by the decision's id.

    Attributes:
        decision_id: of the decision.
        shadowed_at: when the challenger scored it.
        model: the challenger.
        decided_by: who made the decision.
        margin: the challenger's raw log-odds.
        probability: its calibrated probability of default.
        points: its scorecard points.
        decision: what it would have decided.
        agrees: whether that is what was decided.
        difference: its probability less the decision's.
        own_rows: whether it read feature rows of its own, later than the decision did.
    """

    decision_id: str
    shadowed_at: datetime
    model: ModelVersion
    decided_by: ModelVersion
    margin: float
    probability: float
    points: float
    decision: Decision
    agrees: bool
    difference: float
    own_rows: bool


def shadow_stream_key(project: str) -> str:
    """The Redis stream of shadow records."""
    return f"{{{project}}}:shadow"
