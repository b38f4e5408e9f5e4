"""Model changes: have a replica look at the registry now."""

import asyncio
from typing import Final

from fastapi import APIRouter

from credit.errors import BundleError
from serving.api.bodies import problems
from serving.api.context import Edge
from serving.api.problems import RequestTimeoutError
from serving.model_store import ModelStore
from serving.schemas.model_changes import ModelsNow

#: A new bundle has to be fetched, verified and tried.
_SECONDS: Final = 12.0


def router(edge: Edge) -> APIRouter:
    """`POST /v1/models/refresh`."""
    found = APIRouter(tags=["models"], dependencies=edge.needs("admin"))

    @found.post(
        "/v1/models/refresh", summary="Look at the registry now", responses=problems(409, 503), response_model=ModelsNow
    )
    async def refresh() -> ModelsNow:
        """Resolve the aliases and swap at once, in the one replica that answers; the others follow at their next look.

        A champion that cannot be loaded is a problem, and the one before stays. There is no body.
        """
        models = edge.service.models
        try:
            async with asyncio.timeout(_SECONDS):
                changed = await asyncio.wrap_future(models.looks.ask())
        except TimeoutError:
            raise RequestTimeoutError(f"the look takes longer than {_SECONDS:g} s; it goes on") from None
        if models.champion_problem is not None:  # also when an earlier look found it
            raise BundleError(models.champion_problem)
        return _now(models, changed)

    return found


def _now(models: ModelStore, changed: bool) -> ModelsNow:
    snapshot = models.snapshot()
    return ModelsNow(
        changed=changed,
        champion=models.current().version,
        previous=snapshot.previous and snapshot.previous.version,
        challenger=snapshot.challenger and snapshot.challenger.version,
        challenger_problem=models.challenger_problem,
        canary_share=snapshot.canary_share,
    )
