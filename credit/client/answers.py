"""Answers of the service as a caller reads them: fields that a newer service adds are left out, not refused."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of answers: immutable."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Reason(Answer):
    """What pushed towards refusal. `contribution` is an exact SHAP value in log-odds."""

    feature: str
    value: float | str | None
    contribution: float
    text: str


class ViewState(Answer):
    """State of one feature view when it was read; `age_seconds` counts from its build."""

    status: str
    as_of: datetime | None
    built_at: datetime | None
    age_seconds: float | None


class Quality(Answer):
    """How much the score had to go by: share of values that were there, stale and missing views, what was done."""

    coverage: float
    stale: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    policies: dict[str, str] = {}


class Model(Answer):
    """The model version that answered."""

    name: str
    version: str


class Score(Answer):
    """A recorded decision. `decision` is `approved`, `refused` or `referred`; `probability` is calibrated."""

    client_id: int
    decision_id: str
    probability: float
    points: float
    prediction: int
    decision: str
    threshold: float
    risk_band: str
    reasons: tuple[Reason, ...]
    features: dict[str, ViewState]
    quality: Quality
    model: Model


class ItemProblem(Answer):
    """Why one item of a batch has no result; `code` as in `ProblemError`."""

    code: str
    detail: str


class BatchItem(Answer):
    """One item of a batch: a result or a problem."""

    client_id: int
    result: Score | None = None
    problem: ItemProblem | None = None


class BatchPart(Answer):
    """The answer to one request of a batch."""

    items: tuple[BatchItem, ...]
