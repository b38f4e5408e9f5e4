"""What a client's score would be if features were others."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from credit.what_if import UnusableFeaturesError
from serving.api.bodies import described, parsed, problems, raw_body
from serving.api.context import Edge
from serving.api.problems import FieldProblem, InvalidRequestError
from serving.api.workers import DEADLINE
from serving.schemas.whatif import WhatIfAnswer, WhatIfRequest
from serving.simulating import Simulations


def router(edge: Edge) -> APIRouter:
    """`POST /v1/whatif`."""
    found = APIRouter(tags=["explanations"], dependencies=edge.needs("explain"))
    simulations = Simulations(edge.service.models)

    def simulate_now(wanted: WhatIfRequest) -> str:
        try:
            return simulations.what_if(wanted).model_dump_json()
        except UnusableFeaturesError as error:
            raise InvalidRequestError(
                [FieldProblem(field=f"overrides.{name}", message=text) for name, text in error.problems.items()]
            ) from error

    @found.post(
        "/v1/whatif",
        summary="Score a client as if features were others",
        response_model=WhatIfAnswer,
        responses=problems(404, 409, 413, 422),
        openapi_extra=described(WhatIfRequest, DEADLINE),
    )
    async def what_if(request: Request) -> Response:
        """Before and after, and the smallest single change of what the client can change that turns the decision.

        A simulation: no decision, and nothing is recorded.
        """
        body = await raw_body(request, edge.bodies.single)
        wanted = parsed(request, body, WhatIfRequest)
        answer = await edge.workers.run(request, simulate_now, wanted)
        return Response(answer, media_type="application/json")

    return found
