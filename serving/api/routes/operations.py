"""Probes, metrics and version."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from credit import __version__
from serving.api.bodies import example, problems
from serving.api.context import Edge

_READY: Final = {
    "status": "ready",
    "authentication": "off",
    "model": {"name": "credit-scoring", "version": "3", "bundle": "5f0c6a2e" * 8},
}

_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


def router(edge: Edge) -> APIRouter:
    """`/livez`, `/readyz`, `/metrics`, `/version`."""
    found = APIRouter(tags=["operations"])

    @found.get("/livez", summary="Whether the process runs", responses=example(status="alive"))
    async def livez() -> dict[str, str]:
        """200 whatever the stores and the model do."""
        return {"status": "alive"}

    @found.get("/readyz", summary="Whether requests can be answered", responses=example(**_READY) | problems(503))
    async def readyz() -> dict[str, Any]:
        """503 until the model is verified and warm and both stores answer."""
        version = edge.service.models.current().version
        await asyncio.to_thread(edge.service.check_stores)
        return {"status": "ready", "authentication": edge.access.mode, "model": version.model_dump()}

    @found.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        dependencies=[] if edge.metrics_open else edge.needs("admin"),
        responses=_TEXT if edge.metrics_open else _TEXT | problems(),
    )
    async def metrics() -> Response:
        """The sum over all replicas of the node that answers; each node of a cluster is asked by itself."""
        shown = await asyncio.to_thread(generate_latest, edge.service.metrics.registry)
        return Response(shown, media_type=CONTENT_TYPE_LATEST)

    @found.get("/version", summary="Version of the service", responses=example(name="credit-scoring", version="1.0.0"))
    async def version() -> dict[str, str]:
        """Name and version of the program, not of the model."""
        return {"name": "credit-scoring", "version": __version__}

    return found
