"""Last results of the jobs, in Redis beside the decision log."""

from pydantic import ValidationError

from credit.errors import DataError
from credit.schemas.jobs import Job, JobResult, jobs_key
from monitoring.archiver.stream import Connection


def leave_result(connection: Connection, result: JobResult) -> None:
    """Put a job's result in place of its last one.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    text = result.model_dump_json().encode()
    connection.told(b"HSET", jobs_key(connection.project).encode(), result.job.encode(), text)


def last_result(connection: Connection, job: Job) -> JobResult | None:
    """What a job found last, or None.

    Raises:
        StoreUnavailableError: Redis does not answer.
        DataError: it is stored in a form that is not understood.
    """
    stored = connection.told(b"HGET", jobs_key(connection.project).encode(), job.encode())
    if stored is None:
        return None
    try:
        return JobResult.model_validate_json(stored)
    except ValidationError as error:
        raise DataError(f"the last result of {job} is stored in a form that is not understood") from error
