"""The ASGI application: routers, problem details, and what surrounds every request."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from credit import __version__
from credit.errors import CreditError
from serving.api.access import Access
from serving.api.context import Edge
from serving.api.docs_page import add_docs_page
from serving.api.document import name_request_models, name_scopes, restore_examples
from serving.api.edge import RequestEdge
from serving.api.guards import check_guarded
from serving.api.headers import SafeHeaders, with_cors
from serving.api.problems import MEDIA_TYPE, InvalidRequestError, fault_response, http_problem, problem_response
from serving.api.routes import (
    clients,
    decisions,
    explain,
    inference,
    model_data,
    models,
    models_admin,
    operations,
    predecessor,
    score,
    whatif,
)

_DESCRIPTION: Final = "Calibrated probability of default, decision and reasons for a client, in one call."
#: One router for each subject.
_ROUTERS: Final = (
    score.router,
    decisions.router,
    explain.router,
    whatif.router,
    clients.router,
    models.router,
    models_admin.router,
    predecessor.router,
    model_data.router,
    inference.router,
    operations.router,
)


def build_api(edge: Edge, *, echo_request_id: bool = True) -> ASGIApp:
    """The ASGI application.

    Args:
        edge: what the routers share.
        echo_request_id: see `RequestEdge`.
    """
    api = _Api(title="Credit scoring", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None)
    api.access = edge.access
    api.subjects = [router(edge) for router in _ROUTERS]
    for router in api.subjects:
        api.include_router(router)
    add_docs_page(api)
    check_guarded(api.routes)
    api.add_exception_handler(CreditError, _on_credit_error)
    api.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(Exception, _on_fault)
    guarded = SafeHeaders(with_cors(api, edge.cors_origins))
    return RequestEdge(guarded, edge.service.metrics, echo_request_id)


class _Api(FastAPI):
    """FastAPI documents error models as plain JSON; ours are problem details."""

    access: Access
    subjects: list[APIRouter]

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        self.access.documented(document)
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        for status, answer in [found for operation in operations for found in operation["responses"].items()]:
            if int(status) >= HTTPStatus.BAD_REQUEST and "application/json" in answer.get("content", {}):
                answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
        name_request_models(document)
        restore_examples(document, self.subjects)
        name_scopes(document, self.subjects)
        return document


async def _on_credit_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CreditError)
    return problem_response(request, error)


async def _on_invalid_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(request, InvalidRequestError.of_parameters(error.errors()))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return http_problem(request, error.status_code, error.detail, error.headers)


async def _on_fault(request: Request, _error: Exception) -> Response:
    return fault_response(request)
