"""What a client's score is made of."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.api.bodies import described, parsed, problems, raw_body
from serving.api.context import Edge
from serving.api.workers import DEADLINE
from serving.explaining import Explanations
from serving.schemas.explain import ExplainAnswer, ExplainRequest


def router(edge: Edge) -> APIRouter:
    """`POST /v1/explain`."""
    found = APIRouter(tags=["explanations"], dependencies=edge.needs("explain"))
    explanations = Explanations(edge.service.models)

    def explain_now(wanted: ExplainRequest) -> str:
        return explanations.explain(wanted).model_dump_json()

    @found.post(
        "/v1/explain",
        summary="Explain a client's score",
        response_model=ExplainAnswer,
        responses=problems(404, 409, 413, 422),
        openapi_extra=described(ExplainRequest, DEADLINE),
    )
    async def explain(request: Request) -> Response:
        """Every contribution in margin units, and a waterfall of them by reason. No decision: nothing is recorded."""
        body = await raw_body(request, edge.bodies.single)
        wanted = parsed(request, body, ExplainRequest)
        answer = await edge.workers.run(request, explain_now, wanted)
        return Response(answer, media_type="application/json")

    return found
