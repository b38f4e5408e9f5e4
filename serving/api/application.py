"""The ASGI application: routers, problem details, and what surrounds every request."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from credit import __version__
from credit.errors import CreditError
from serving.api.context import Edge
from serving.api.docs_page import add_docs_page
from serving.api.edge import RequestEdge
from serving.api.problems import MEDIA_TYPE, fault_response, http_problem, problem_response
from serving.api.routes import operations, score

_DESCRIPTION: Final = "Calibrated probability of default, decision and reasons for a client, in one call."
#: One router for each subject.
_ROUTERS: Final = (score.router, operations.router)


def build_api(edge: Edge, *, echo_request_id: bool = True) -> ASGIApp:
    """The ASGI application.

    Args:
        edge: what the routers share.
        echo_request_id: see `RequestEdge`.
    """
    api = _Api(title="Credit scoring", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None)
    for router in _ROUTERS:
        api.include_router(router(edge))
    add_docs_page(api)
    api.add_exception_handler(CreditError, _on_credit_error)
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(Exception, _on_fault)
    return RequestEdge(api, edge.service.metrics, echo_request_id)


class _Api(FastAPI):
    """FastAPI documents error models as plain JSON; ours are problem details."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        for status, answer in [found for operation in operations for found in operation["responses"].items()]:
            if int(status) >= HTTPStatus.BAD_REQUEST and "application/json" in answer.get("content", {}):
                answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
        return document


async def _on_credit_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CreditError)
    return problem_response(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return http_problem(request, error.status_code, error.detail, error.headers)


async def _on_fault(request: Request, _error: Exception) -> Response:
    return fault_response(request)
