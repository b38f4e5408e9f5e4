"""What can go wrong between a caller and the service: one tree below `ServiceError`.

ServiceError
├── NoAnswerError            the service could not be reached, or did not answer in time
├── UnexpectedAnswerError    something answered that is not this API
└── ProblemError             the service said no, as problem details (RFC 9457)
    ├── InvalidRequestError  400, 413, 415, 422; `fields` names what is wrong
    ├── AccessError          401, 403
    ├── NotFoundError        404; `code` is `unknown_client` for a client without features
    ├── ConflictError        409
    ├── RateLimitedError     429; `retry_after` seconds
    └── UnavailableError     502, 503, 504; `retry_after` seconds
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
from pydantic import BaseModel, ValidationError

from credit.client.retry_after import seconds_to_wait
from credit.errors import CreditError


class ServiceError(CreditError):
    """Base of everything that a call can raise."""

    code = "service"


class NoAnswerError(ServiceError):
    """No answer came. Unless `never_sent`, the service may have handled the request all the same."""

    code = "no_answer"

    def __init__(self, message: str, *, never_sent: bool) -> None:
        self.never_sent = never_sent
        super().__init__(message)


class UnexpectedAnswerError(ServiceError):
    """The answer is not one of this API: is there another server at the address?"""

    code = "unexpected_answer"


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What problem details say."""

    status: int
    code: str
    detail: str
    request_id: str | None
    fields: tuple[FieldError, ...] = ()
    retry_after: float | None = None


class ProblemError(ServiceError):
    """The service answered with a problem.

    Attributes:
        status: of HTTP.
        code: stable machine name of the problem.
        detail: what is wrong and what to do.
        request_id: under which the service's log has the request; None if something before the service answered.
        fields: findings by field of the request.
        retry_after: seconds that the service asks to wait.
    """

    def __init__(self, problem: Problem) -> None:
        self.status = problem.status
        self.code = problem.code
        self.detail = problem.detail
        self.request_id = problem.request_id
        self.fields = problem.fields
        self.retry_after = problem.retry_after
        request = f" (request {problem.request_id})" if problem.request_id else ""
        super().__init__(f"{problem.detail}{request}")


class InvalidRequestError(ProblemError):
    """The request is not valid or too large."""


class AccessError(ProblemError):
    """The caller is not known or may not do this."""


class NotFoundError(ProblemError):
    """There is no such client, decision or path."""


class ConflictError(ProblemError):
    """The request contradicts an earlier one or the state of the data."""


class RateLimitedError(ProblemError):
    """The caller asks too often."""


class UnavailableError(ProblemError):
    """The service cannot answer at the moment."""


_BY_STATUS: Final[Mapping[int, type[ProblemError]]] = {
    400: InvalidRequestError,
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitedError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class _Details(BaseModel):
    """Body of problem details, as far as it is of use."""

    code: str
    detail: str
    request_id: str | None = None
    errors: tuple[FieldError, ...] | None = None


def error_of(outcome: httpx.Response | httpx.RequestError) -> ServiceError | None:
    """What is wrong with the outcome of a request; None if nothing."""
    if isinstance(outcome, httpx.RequestError):
        return _no_answer(outcome)
    if outcome.is_success:
        return None
    if not outcome.is_error:
        return UnexpectedAnswerError(f"HTTP {outcome.status_code}, but this API never redirects: is the address right?")
    return _BY_STATUS.get(outcome.status_code, ProblemError)(_problem(outcome))


def _no_answer(error: httpx.RequestError) -> NoAnswerError:
    url = error.request.url
    where = f"{url.scheme}://{url.netloc.decode('ascii')}"
    cause = str(error) or type(error).__name__
    advice = "does the service run (`creditctl serve`, `make demo`), and is the address right?"
    return NoAnswerError(f"no answer of {where}: {cause}; {advice}", never_sent=isinstance(error, _NEVER_SENT))


def _problem(response: httpx.Response) -> Problem:
    status, wait = response.status_code, seconds_to_wait(response.headers.get("Retry-After"))
    try:
        told = _Details.model_validate_json(response.content)
    except ValidationError:  # something in front of the service, such as a proxy
        told = _Details(code=f"http_{status}", detail=f"HTTP {status} {response.reason_phrase}".rstrip())
    return Problem(status, told.code, told.detail, told.request_id, told.errors or (), wait)
