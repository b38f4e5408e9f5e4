"""From a decision's record to the answer: nothing else goes in, so that a record always gives the same answer."""

from datetime import UTC, datetime

from credit.schemas.decision import DecisionRecord, ViewState
from credit.schemas.features import ViewBatch
from serving.schemas.score import AnsweringModel, ScoreAnswer

_MICROSECONDS = 1_000_000


def answer_of(record: DecisionRecord) -> ScoreAnswer:
    """What the caller gets for a recorded decision."""
    return ScoreAnswer(
        client_id=record.client_id,
        decision_id=record.decision_id,
        probability=record.probability,
        points=record.points,
        prediction=int(record.probability >= record.threshold),
        decision=record.decision,
        threshold=record.threshold,
        risk_band=record.risk_band,
        reasons=record.reasons,
        features=record.views,
        quality=record.quality,
        model=AnsweringModel(name=record.model.name, version=record.model.version),
    )


def view_state(batch: ViewBatch, row: int, now: datetime) -> ViewState:
    """The state of one client's row of `batch`, its age counted from its build."""
    built = _moment(int(batch.built_us[row]))
    return ViewState(
        status=batch.status[row],
        as_of=_moment(int(batch.as_of_us[row])),
        built_at=built,
        age_seconds=None if built is None else (now - built).total_seconds(),
    )


def _moment(microseconds: int) -> datetime | None:
    """A UTC time; None for 0, which stands for no row."""
    if not microseconds:
        return None
    seconds, rest = divmod(microseconds, _MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
