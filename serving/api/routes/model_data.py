"""The service, its model and its data, by the paths of the predecessor of this API."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from credit import __version__
from credit.errors import CreditError
from credit.schemas.drift import DriftSummary
from serving.api.bodies import problems
from serving.api.context import Edge
from serving.api.problems import NotFoundError, NotHealthyError
from serving.api.queries import count, query, query_parameter
from serving.model_data import feature_names, feature_ranking, model_info, model_title, reference_description
from serving.schemas.model_data import (
    FeatureNames,
    Health,
    ModelFeatures,
    ModelInfo,
    ReferenceDescription,
    ServiceLinks,
)

_LINKS: Final = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/health",
    "score": "/v1/score",
    "predict": "/predict",
    "model": "/model/info",
    "open_inference": "/v2",
}
_TOP_N: Final = query_parameter(
    "top_n", "How many to answer; all of them by default.", {"type": "integer", "minimum": 1, "maximum": 10_000}, 10
)


def router(edge: Edge) -> APIRouter:
    """`GET /`, `/health`, `/model/*` and `/data/*`."""
    found = APIRouter(tags=["model and data"])
    _add_service(found, edge)
    _add_model(found, edge)
    _add_data(found, edge)
    return found


def _add_service(found: APIRouter, edge: Edge) -> None:
    @found.get("/", summary="What this service is", response_model=ServiceLinks)
    async def root() -> Response:
        """Name, version, and where to go on."""
        return _json(ServiceLinks(name="credit-scoring", version=__version__, links=_LINKS))

    @found.get("/health", summary="Whether decisions can be made", response_model=Health, responses=problems(503))
    async def health() -> Response:
        """200 only with model and stores; else 503: `degraded` without a store, `unavailable` without a model."""
        try:
            model = edge.service.models.current()
        except CreditError as error:
            raise NotHealthyError("unavailable", {"model": str(error), "stores": "not asked"}) from None
        try:
            await asyncio.to_thread(edge.service.check_stores)
        except CreditError as error:
            raise NotHealthyError("degraded", {"model": "ok", "stores": str(error)}) from None
        return _json(Health(checks={"model": "ok", "stores": "ok"}, model=model_title(model)))


def _add_model(found: APIRouter, edge: Edge) -> None:
    reading = edge.needs("score")

    @found.get(
        "/model/info",
        summary="The model that answers",
        response_model=ModelInfo,
        responses=problems(422),
        dependencies=reading,
    )
    async def info(request: Request) -> Response:
        """Where it comes from, how well it did at training, and how it decides."""
        query(request)
        return _json(model_info(edge.service.models.current()))

    @found.get(
        "/model/features",
        summary="Features by importance",
        response_model=ModelFeatures,
        responses=problems(422),
        dependencies=reading,
        openapi_extra={"parameters": [_TOP_N]},
    )
    async def features(request: Request) -> Response:
        """The mean absolute contribution of each feature, measured at training."""
        top_n = count(query(request, "top_n"), "top_n")
        return _json(feature_ranking(edge.service.models.current(), top_n))

    @found.get(
        "/model/feature-names",
        summary="Names that raw features may have",
        response_model=FeatureNames,
        responses=problems(422),
        dependencies=reading,
    )
    async def names(request: Request) -> Response:
        """The features in the model's order, and the columns of an application that give them."""
        query(request)
        return _json(feature_names(edge.service.models.current()))


def _add_data(found: APIRouter, edge: Edge) -> None:
    reading = edge.needs("score")

    @found.get(
        "/data/describe",
        summary="Statistics of the reference sample",
        response_model=ReferenceDescription,
        responses=problems(422),
        dependencies=reading,
    )
    async def describe(request: Request) -> Response:
        """The sample travels with the model; no parameter names another source."""
        query(request)
        return _json(await edge.workers.run(request, reference_description, edge.service.models.current()))

    @found.get(
        "/data/drift",
        summary="The newest drift summary",
        response_model=DriftSummary,
        responses=problems(404, 422),
        dependencies=reading,
    )
    async def drift(request: Request) -> Response:
        """What the last drift job found; 404 while none has run."""
        query(request)
        return _json(await edge.workers.run(request, _newest_drift, edge))


def _newest_drift(edge: Edge) -> DriftSummary:
    summary = None if edge.drift is None else edge.drift.newest()
    if summary is None:
        raise NotFoundError(
            "no drift job has left a summary yet: run one on the decision log; "
            "GET /data/describe shows the reference sample that it compares with"
        )
    return summary


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
