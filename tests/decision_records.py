"""A decision record for tests of what keeps it."""

import math
from datetime import UTC, datetime

from credit.errors import CreditError
from credit.schemas.decision import DataQuality, Decision, DecisionRecord, ModelVersion, Reason, ViewState
from credit.schemas.features import ViewStatus
from serving.decision_log import DecisionLog, Entry
from serving.orders import Claim


def decision_record(name: str = "d-1", probability: float = 0.1) -> DecisionRecord:
    """A decision with everything in it that is hard to store."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return DecisionRecord(
        decision_id=name,
        client_id=100002,
        decided_at=moment,
        request_id="r-1",
        caller="anyone",
        values={"application": {"amount": 0.1 + 0.2, "kind": "Cash — prêt", "absent": None}},
        views={
            "application": ViewState(status=ViewStatus.PRESENT, as_of=moment, built_at=moment, age_seconds=1.5),
            "bureau": ViewState(status=ViewStatus.NOT_FOUND, as_of=None, built_at=None, age_seconds=None),
        },
        margin=-2.197224577336219,
        probability=probability,
        points=531.4379,
        threshold=1 / 11,
        decision=Decision.REFUSED,
        risk_band="D",
        language="en",
        explained=True,
        reasons=(Reason(feature="amount", value=0.3, contribution=math.pi, text="raison"),),
        quality=DataQuality(coverage=2 / 3, missing=("bureau",), policies={"bureau": "refer"}),
        model=ModelVersion(name="credit-scoring", version="3", bundle="b" * 64),
    )


def keep(log: DecisionLog, record: DecisionRecord, claim: Claim | None = None) -> DecisionRecord:
    """Append one decision, or raise what kept it out; answers what the log holds for it."""
    (kept,) = log.append([Entry(record, claim)])
    if isinstance(kept, CreditError):
        raise kept
    return kept
