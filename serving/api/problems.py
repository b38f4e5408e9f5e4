"""Errors as RFC 9457 problem details: the one place where an error becomes an HTTP status."""

import math
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from credit import errors
from serving.callers.identity import SigningKeysUnavailableError
from serving.raw_features.errors import LackingFeaturesError
from serving.registry import NoChampionError

MEDIA_TYPE = "application/problem+json"
BODY_FIELD = "body"
RETRY_AFTER_SECONDS = 1
#: Below this path clients of the Open Inference Protocol look for the text of an error under `error`.
OPEN_INFERENCE_PATH: Final = "/v2"


class OverloadedError(errors.CreditError):
    """More requests are under way than this replica accepts."""

    code = "overloaded"


class RequestTimeoutError(errors.CreditError):
    """The answer did not come within the time limit."""

    code = "timeout"


class BodyTooLargeError(errors.CreditError):
    """The request body is larger than allowed."""

    code = "body_too_large"


class NotAuthenticatedError(errors.CreditError):
    """The request does not prove who calls; `shown` says whether it tried."""

    code = "not_authenticated"

    def __init__(self, message: str, *, shown: bool = False) -> None:
        self.challenge = 'Bearer realm="credit-scoring"' + (', error="invalid_token"' if shown else "")
        super().__init__(message)


class NotAllowedError(errors.CreditError):
    """The caller may not do this."""

    code = "not_allowed"


class RateLimitedError(errors.CreditError):
    """The caller asks more often than it may."""

    code = "rate_limited"

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"too many requests of this caller: try again in {retry_after:.1f} s")


class NotFoundError(errors.CreditError):
    """There is no such thing."""

    code = "not_found"


class NotHealthyError(errors.CreditError):
    """Decisions cannot be made; `checks` says by part what is in the way."""

    def __init__(self, state: Literal["degraded", "unavailable"], checks: Mapping[str, str]) -> None:
        self.code = state
        self.checks = dict(checks)
        super().__init__(f"the service is {state}: " + "; ".join(text for text in checks.values() if text != "ok"))


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class InvalidRequestError(errors.CreditError):
    """The request breaks its schema; `problems` names each field."""

    code = "invalid_request"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in self.problems))

    @classmethod
    def of(cls, error: ValidationError) -> "InvalidRequestError":
        """The same findings, without the input."""
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return cls(
            [FieldProblem(field=".".join(map(str, each["loc"])) or BODY_FIELD, message=each["msg"]) for each in found]
        )

    @classmethod
    def of_parameters(cls, found: Sequence[Mapping[str, Any]]) -> "InvalidRequestError":
        """FastAPI's findings about path and query, without the input."""
        return cls([FieldProblem(field=".".join(map(str, each["loc"][1:])), message=each["msg"]) for each in found])


class Problem(BaseModel):
    """The body of every error answer. Some have further members, as RFC 9457 allows."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URN of the kind of problem; ends in `code`.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Stable machine name of the problem.")
    request_id: str
    errors: tuple[FieldProblem, ...] | None = Field(None, description="Findings by field, for `invalid_request`.")


#: First match wins. An error that is not listed is a fault of ours: 500.
_STATUS: Mapping[type[errors.CreditError], tuple[HTTPStatus, str]] = {
    InvalidRequestError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid"),
    BodyTooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request body is too large"),
    NotAuthenticatedError: (HTTPStatus.UNAUTHORIZED, "The caller is not known"),
    NotAllowedError: (HTTPStatus.FORBIDDEN, "The caller may not do this"),
    RateLimitedError: (HTTPStatus.TOO_MANY_REQUESTS, "The caller asks too often"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "There is no such thing"),
    errors.IdempotencyConflictError: (HTTPStatus.CONFLICT, "The Idempotency-Key came before with another request"),
    errors.OutcomeConflictError: (HTTPStatus.CONFLICT, "The decision has another outcome already"),
    errors.UnknownDecisionError: (HTTPStatus.NOT_FOUND, "The decision is unknown"),
    errors.UnknownClientError: (HTTPStatus.NOT_FOUND, "The client is unknown"),
    errors.IncompleteFeaturesError: (HTTPStatus.CONFLICT, "Features that the model must have are missing"),
    errors.StoreUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "A store does not answer"),
    errors.DecisionLogFullError: (HTTPStatus.SERVICE_UNAVAILABLE, "The decision log is full"),
    errors.ModelNotReadyError: (HTTPStatus.SERVICE_UNAVAILABLE, "No model is loaded yet"),
    SigningKeysUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "Tokens cannot be checked"),
    NoChampionError: (HTTPStatus.CONFLICT, "No version carries the alias"),
    errors.RegistryError: (HTTPStatus.SERVICE_UNAVAILABLE, "The model registry does not answer"),
    errors.BundleError: (HTTPStatus.CONFLICT, "The model's bundle is refused"),
    OverloadedError: (HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are under way"),
    RequestTimeoutError: (HTTPStatus.SERVICE_UNAVAILABLE, "The answer took too long"),
    NotHealthyError: (HTTPStatus.SERVICE_UNAVAILABLE, "Decisions cannot be made"),
    LackingFeaturesError: (HTTPStatus.CONFLICT, "Features that the model must have are missing"),
}
_FAULT = (HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed")


def problem_response(request: Request, error: errors.CreditError) -> Response:
    """`error` as an HTTP answer; 503 and 429 carry Retry-After, 401 how to authenticate."""
    status, title = next((found for kind, found in _STATUS.items() if isinstance(error, kind)), _FAULT)
    findings = error.problems if isinstance(error, InvalidRequestError) else None
    more = {"state": error.code, "checks": error.checks} if isinstance(error, NotHealthyError) else {}
    return _response(request, status, title, str(error), error.code, findings, _headers(error), more)


def http_problem(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem of HTTP itself, such as an unknown path or method."""
    known = HTTPStatus(status)
    return _response(request, known, known.phrase, detail, known.name.lower(), None, headers)


def fault_response(request: Request) -> Response:
    """An unforeseen error: says nothing about its cause, which is in the log under the request id."""
    return _response(request, *_FAULT, "an unexpected error; the log has it under the request id", "internal")


def known_problems() -> Iterator[tuple[str, HTTPStatus, str]]:
    """Code, status and meaning of every foreseen problem, for the reference."""
    for kind, (status, _) in _STATUS.items():
        yield kind.code, status, (kind.__doc__ or "").strip().splitlines()[0]
    yield "internal", _FAULT[0], "Something unforeseen; the log has it under the request id."


def _headers(error: errors.CreditError) -> dict[str, str]:
    if isinstance(error, RateLimitedError):
        return {"Retry-After": str(math.ceil(error.retry_after))}
    if isinstance(error, NotAuthenticatedError):
        return {"WWW-Authenticate": error.challenge}
    if isinstance(error, NotAllowedError):
        return {"WWW-Authenticate": 'Bearer realm="credit-scoring", error="insufficient_scope"'}
    return {}


def _response(
    request: Request,
    status: HTTPStatus,
    title: str,
    detail: str,
    code: str,
    findings: tuple[FieldProblem, ...] | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    request.state.problem = code  # for metrics, access log and trace
    path = request.url.path
    if path == OPEN_INFERENCE_PATH or path.startswith(f"{OPEN_INFERENCE_PATH}/"):
        more = {"error": detail, **(more or {})}
    problem = Problem(
        type=f"urn:credit-scoring:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=path,
        code=code,
        request_id=request.state.request_id,
        errors=findings,
        **(more or {}),
    )
    extra = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        extra["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(
        problem.model_dump_json(exclude_none=True), status_code=status, media_type=MEDIA_TYPE, headers=extra
    )
