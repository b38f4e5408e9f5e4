"""Who calls, and what the caller may do."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from fastapi import Request
from fastapi.security import SecurityScopes

from serving.api.problems import NotAllowedError

Scope = Literal["score", "explain", "decisions", "admin"]
ALL_SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller: a name for the record, and what it may do."""

    name: str
    scopes: frozenset[Scope]


#: Whoever calls while authentication is off.
ANYONE: Final = Caller("anyone", ALL_SCOPES)


class Access:
    """Tells the caller of each request; FastAPI calls it before the operation."""

    async def __call__(self, request: Request, needed: SecurityScopes) -> Caller:
        """The caller.

        Raises:
            NotAllowedError: it lacks a scope that the operation needs.
        """
        caller = ANYONE
        lacking = [scope for scope in needed.scopes if scope not in caller.scopes]
        if lacking:
            raise NotAllowedError(f"{caller.name} lacks the scope {', '.join(lacking)}")
        request.state.caller = caller
        return caller

    @property
    def mode(self) -> str:
        """How callers prove who they are, as readiness and logs tell it."""
        return "off"


def caller_of(request: Request) -> Caller:
    """The caller that `Access` found."""
    caller: Caller = request.state.caller
    return caller
