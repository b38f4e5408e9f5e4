"""The HTTP edge: parses requests, calls the service, turns results and errors into answers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from credit import __version__
from credit.errors import CreditError
from serving.docs_page import add_docs_page
from serving.edge import RequestEdge
from serving.problems import (
    MEDIA_TYPE,
    BodyTooLargeError,
    FieldProblem,
    InvalidRequestError,
    OverloadedError,
    Problem,
    RequestTimeoutError,
    fault_response,
    http_problem,
    problem_response,
)
from serving.schemas import ScoreAnswer, ScoreRequest
from serving.service import ScoringService

_T = TypeVar("_T")
_DESCRIPTION = "Calibrated probability of default, decision and reasons for a client, in one call."


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """What one replica takes: requests at once, seconds for each, bytes of a body."""

    ongoing_requests: int
    request_timeout: float
    body_bytes: int


def build_api(
    service: ScoringService, pool: Executor, limits: EdgeLimits, authentication: str, *, echo_request_id: bool = True
) -> ASGIApp:
    """The ASGI application.

    Args:
        service: answers; called in threads of `pool`, because it waits for Redis and for LightGBM.
        pool: threads for scoring.
        limits: beyond them requests are refused.
        authentication: how callers are authenticated, as readiness tells it.
        echo_request_id: see `RequestEdge`.
    """
    api = _Api(title="Credit scoring", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None)
    api.include_router(_score_routes(service, _Workers(pool, limits), limits))
    api.include_router(_state_routes(service, authentication))
    add_docs_page(api)
    api.add_exception_handler(CreditError, _on_credit_error)
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(Exception, _on_fault)
    return RequestEdge(api, echo_request_id)


class _Api(FastAPI):
    """FastAPI documents error models as plain JSON; ours are problem details."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        for status, answer in [found for operation in operations for found in operation["responses"].items()]:
            if int(status) >= HTTPStatus.BAD_REQUEST and "application/json" in answer["content"]:
                answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
        return document


class _Workers:
    """Runs blocking calls in threads: a bounded number at once, each for a bounded time."""

    def __init__(self, pool: Executor, limits: EdgeLimits) -> None:
        self._pool = pool
        self._limits = limits
        self._ongoing = 0

    async def run(self, call: Callable[..., _T], *arguments: object) -> _T:
        if self._ongoing >= self._limits.ongoing_requests:
            raise OverloadedError(f"{self._ongoing} requests are under way: try again in a moment")
        self._ongoing += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self._limits.request_timeout):
                return await loop.run_in_executor(self._pool, call, *arguments)
        except TimeoutError:
            raise RequestTimeoutError(f"no answer within {self._limits.request_timeout:g} s") from None
        finally:
            self._ongoing -= 1


def _score_routes(service: ScoringService, workers: _Workers, limits: EdgeLimits) -> APIRouter:
    router = APIRouter(tags=["scoring"])

    def score_now(client_id: int, request_id: str) -> str:
        return service.score(client_id, request_id).model_dump_json()

    @router.post(
        "/v1/score",
        summary="Score one client",
        response_model=ScoreAnswer,
        responses=_problems(404, 409, 413, 422, 503),
        openapi_extra={"requestBody": _request_body()},
    )
    async def score(request: Request) -> Response:
        """Decide about one client by id. The decision is recorded before it is answered."""
        wanted = _parsed(request, await _body(request, limits.body_bytes))
        answer = await workers.run(score_now, wanted.client_id, request.state.request_id)
        return Response(answer, media_type="application/json")

    return router


def _state_routes(service: ScoringService, authentication: str) -> APIRouter:
    router = APIRouter(tags=["state"])

    @router.get("/livez", summary="Whether the process runs")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Whether requests can be answered", responses=_problems(503))
    async def readyz() -> dict[str, Any]:
        """503 until the model is verified and warm and both stores answer."""
        version = service.models.current().version
        await asyncio.to_thread(service.check_stores)
        return {"status": "ready", "authentication": authentication, "model": version.model_dump()}

    @router.get("/version", summary="Version of the service")
    async def version() -> dict[str, str]:
        return {"name": "credit-scoring", "version": __version__}

    return router


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLargeError(f"a body holds at most {limit} bytes")
    return bytes(body)


def _parsed(request: Request, body: bytes) -> ScoreRequest:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidRequestError([FieldProblem(field="Content-Type", message="must be application/json")])
    try:
        return ScoreRequest.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequestError.of(error) from None


def _request_body() -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": ScoreRequest.model_json_schema()}}}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in statuses}


async def _on_credit_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CreditError)
    return problem_response(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return http_problem(request, error.status_code, error.detail, error.headers)


async def _on_fault(request: Request, _error: Exception) -> Response:
    return fault_response(request)
