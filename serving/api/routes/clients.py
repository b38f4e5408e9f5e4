"""What the platform holds of a client."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from serving.api.bodies import problems
from serving.api.context import Edge
from serving.explaining import Explanations
from serving.schemas.clients import ClientFeatures
from serving.schemas.score import EXAMPLE_CLIENT, MAX_CLIENT_ID

_ClientId = Annotated[
    int, Path(ge=1, le=MAX_CLIENT_ID, description="SK_ID_CURR of the client.", examples=[EXAMPLE_CLIENT])
]


def router(edge: Edge) -> APIRouter:
    """`GET /v1/clients/{client_id}/features`."""
    found = APIRouter(tags=["explanations"], dependencies=edge.needs("explain"))
    explanations = Explanations(edge.service.models)

    def read_now(client_id: int) -> str:
        return explanations.stored(client_id).model_dump_json()

    @found.get(
        "/v1/clients/{client_id}/features",
        summary="Tell what is stored of a client",
        response_model=ClientFeatures,
        responses=problems(404, 422),
    )
    async def features(request: Request, client_id: _ClientId) -> Response:
        """The values of every view that the current model reads, how old they are, and which of them it uses."""
        answer = await edge.workers.run(request, read_now, client_id)
        return Response(answer, media_type="application/json", headers={"Cache-Control": "no-store"})

    return found
