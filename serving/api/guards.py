"""Every operation names a scope, or is open on purpose: checked whenever the application is built."""

from collections.abc import Iterator, Sequence
from typing import Final

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from serving.api.access import Access

#: Probes and what tells nothing about a client. /metrics is here because a setting decides about it.
OPEN_PATHS: Final = frozenset(
    {
        "/",
        "/docs",
        "/docs/assets",
        "/health",
        "/livez",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/redoc",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{model_name}/ready",
        "/v2/models/{model_name}/versions/{model_version}/ready",
        "/version",
    }
)


def check_guarded(routes: Sequence[BaseRoute]) -> None:
    """Refuse to build an application with a hole in it.

    Raises:
        AssertionError: names each path that any caller could use without being meant to.
    """
    holes = sorted({path for path, scopes in guarded_paths(routes) if not scopes} - OPEN_PATHS)
    if holes:
        raise AssertionError(f"{', '.join(holes)}: no scope is named, and OPEN_PATHS does not hold them")


def guarded_paths(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, frozenset[str]]]:
    """Each route's path and the scopes that a caller must have to use it."""
    for context in iter_route_contexts(routes):
        dependant = getattr(context, "dependant", None)
        yield str(context.path), frozenset() if dependant is None else _scopes(dependant)


def _scopes(dependant: Dependant) -> frozenset[str]:
    own = dependant.own_oauth_scopes or [] if isinstance(dependant.call, Access) else []
    return frozenset(own).union(*(_scopes(each) for each in dependant.dependencies))
