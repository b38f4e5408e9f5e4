"""What a monitoring job found last: the job leaves it beside the decision log, serving's `/metrics` tells it."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from credit.schemas.features import Frozen

Job = Literal["drift", "parity", "performance", "loop", "archive"]


class Verdict(StrEnum):
    """How a job ended: `not_judged` means that there was too little to judge by, which is no alarm."""

    OK = "ok"
    ALARM = "alarm"
    NOT_JUDGED = "not_judged"


class JobResult(Frozen):
    """The last finished run of one job.

    Attributes:
        job: which.
        finished: when, UTC, by the wall clock.
        verdict: how it ended.
        model_version: of the model that it looked at, if at one.
        text: one sentence for people.
        figures: by name in snake case; become gauges of their own.
    """

    job: Job
    finished: datetime
    verdict: Verdict
    model_version: str | None = None
    text: str
    figures: dict[str, float]


def jobs_key(project: str) -> str:
    """The Redis hash of the last results, by job, as JSON, on the decision log's server and in its slot."""
    return f"{{{project}}}:jobs"
