"""The models that answer: versions, figures, features by importance."""

from hashlib import sha256
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from credit.reason_codes import Language
from serving.api.bodies import problems
from serving.api.context import Edge
from serving.model_facts import current_model, model_list, ranking
from serving.schemas.models import CurrentModel, FeatureRanking, ModelList

_NOT_MODIFIED: Final = 304
_TopN = Annotated[int, Query(ge=1, le=10_000, description="How many features to name.", examples=[20])]
_Language = Annotated[Language, Query(description="Language of the texts.")]


def router(edge: Edge) -> APIRouter:
    """`GET /v1/models`, `/v1/models/current` and `/v1/models/current/features`."""
    found = APIRouter(tags=["models"], dependencies=edge.needs("score"))
    models, registered = edge.service.models, edge.registered
    alias = None if registered is None else registered.alias

    @found.get("/v1/models", summary="List models", response_model=ModelList, responses=problems())
    async def versions() -> Response:
        """Those that this replica holds, and those in the registry if it answers within a second."""
        listed = None if registered is None else await registered.versions()
        answer = model_list(models.current(), models.previous(), alias, listed)
        return Response(answer.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-cache"})

    @found.get(
        "/v1/models/current", summary="Describe the model that answers", response_model=CurrentModel,
        responses=problems(),
    )  # fmt: skip
    async def current(request: Request) -> Response:
        """Its version, threshold, costs, figures and origin."""
        return _revalidated(request, current_model(models.current(), alias))

    @found.get(
        "/v1/models/current/features", summary="Rank the features of the model that answers",
        response_model=FeatureRanking, responses=problems(422),
    )  # fmt: skip
    async def features(request: Request, top_n: _TopN = 20, lang: _Language = "en") -> Response:
        """By global importance: the mean absolute contribution over a sample of training clients."""
        return _revalidated(request, ranking(models.current(), top_n, lang))

    return found


def _revalidated(request: Request, answer: BaseModel) -> Response:
    """The answer with a tag of its content, or 304 for a caller that has it already."""
    content = answer.model_dump_json()
    tag = f'"{sha256(content.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}  # keep it, but ask each time: the model may change
    known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(content, media_type="application/json", headers=headers)
