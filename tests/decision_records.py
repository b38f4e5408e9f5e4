"""A decision record for tests of what keeps it."""

import math
from datetime import UTC, datetime

from credit.schemas.decision import Decision, DecisionRecord, ModelVersion, Reason, ViewState
from credit.schemas.features import ViewStatus


def decision_record(name: str = "d-1", probability: float = 0.1) -> DecisionRecord:
    """A decision with everything in it that is hard to store."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return DecisionRecord(
        decision_id=name,
        client_id=100002,
        decided_at=moment,
        request_id="r-1",
        values={"application": {"amount": 0.1 + 0.2, "kind": "Cash — prêt", "absent": None}},
        views={
            "application": ViewState(status=ViewStatus.PRESENT, as_of=moment, built_at=moment, age_seconds=1.5),
            "bureau": ViewState(status=ViewStatus.NOT_FOUND, as_of=None, built_at=None, age_seconds=None),
        },
        margin=-2.197224577336219,
        probability=probability,
        threshold=1 / 11,
        decision=Decision.REFUSED,
        risk_band="D",
        reasons=(Reason(feature="amount", value=0.3, contribution=math.pi, text="raison"),),
        model=ModelVersion(name="credit-scoring", version="3", bundle="b" * 64),
    )
