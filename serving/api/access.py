"""Who calls, what the caller may do, and how much."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from serving.api.problems import NotAllowedError, NotAuthenticatedError, RateLimitedError
from serving.callers.authenticator import Authenticator
from serving.callers.credentials import API_KEY_HEADER
from serving.callers.identity import ALL_SCOPES, CredentialError, Identity, Reason, Scope
from serving.callers.rate_limit import RateLimits, TokenBucket

__all__ = ["ALL_SCOPES", "ANYONE", "Access", "Caller", "Scope", "caller_of"]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller: a name for the record, what it may do, and its rate limit if it has one."""

    name: str
    scopes: frozenset[Scope]
    bucket: TokenBucket | None = field(default=None, compare=False, repr=False)

    def spend(self, clients: int, paid: int = 0) -> None:
        """Count `clients` asked for, of which `paid` were counted before.

        A request is counted as one client when it is let in; a batch of n calls `spend(n, paid=1)`.

        Raises:
            RateLimitedError: the caller asks more often than it may.
        """
        if self.bucket is not None and (seconds := self.bucket.spend(clients, paid)) is not None:
            raise RateLimitedError(seconds)


#: Whoever calls while authentication is off.
_ANYONE: Final = Identity("anyone", ALL_SCOPES)
ANYONE: Final = Caller(_ANYONE.name, _ANYONE.scopes)


def _uncounted(_reason: Reason) -> None:
    pass


class Access(SecurityBase):
    """Tells the caller of each request; FastAPI calls it before the operation and documents it.

    Args:
        authenticator: proves callers; None while authentication is off.
        limits: of rates.
        on_refusal: counts callers that were turned away.
    """

    def __init__(
        self,
        authenticator: Authenticator | None = None,
        limits: RateLimits | None = None,
        on_refusal: Callable[[Reason], None] = _uncounted,
    ) -> None:
        self._authenticator = authenticator
        self._limits = limits or RateLimits()
        self._on_refusal = on_refusal
        self.scheme_name = "bearer"
        self.model = HTTPBearer(bearerFormat=" or ".join(_forms(authenticator)) or None)

    async def __call__(self, request: Request, needed: SecurityScopes) -> Caller:
        """The caller.

        Raises:
            NotAuthenticatedError: the request proves none.
            NotAllowedError: it lacks a scope that the operation needs.
            RateLimitedError: it asks more often than it may.
            SigningKeysUnavailableError: its token cannot be checked yet.
        """
        caller = getattr(request.state, "caller", None)
        if caller is None:
            caller = await self._let_in(request)
        lacking = [scope for scope in needed.scopes if scope not in caller.scopes]
        if lacking:
            self._turned_away(request, "lacks_scope", f"{caller.name} lacks the scope {', '.join(lacking)}")
            raise NotAllowedError(f"{caller.name} lacks the scope {', '.join(lacking)}")
        return caller

    @property
    def mode(self) -> str:
        """How callers prove who they are, as readiness and logs tell it."""
        accepted = self._authenticator
        if accepted is None:
            return "off"
        return ",".join(name for name, on in (("keys", accepted.takes_keys), ("jwt", accepted.takes_tokens)) if on)

    def documented(self, document: dict[str, Any]) -> None:
        """Complete what FastAPI wrote of security: nothing while it is off, both headers while keys are accepted."""
        schemes = document.get("components", {}).get("securitySchemes", {})
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        if self._authenticator is None:
            document.get("components", {}).pop("securitySchemes", None)
            for operation in operations:
                operation.pop("security", None)
        elif self._authenticator.takes_keys:
            model = APIKey.model_validate({"in": APIKeyIn.header, "name": API_KEY_HEADER})
            schemes["apiKey"] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
            for operation in operations:
                if "security" in operation:
                    scopes = operation["security"][0][self.scheme_name]
                    operation["security"] = [{self.scheme_name: scopes}, {"apiKey": scopes}]

    async def _let_in(self, request: Request) -> Caller:
        identity = await self._identity(request)
        caller = Caller(identity.name, identity.scopes, self._limits.of(identity))
        caller.spend(1)
        request.state.caller = caller
        return caller

    async def _identity(self, request: Request) -> Identity:
        if self._authenticator is None:
            return _ANYONE
        headers = request.headers
        try:
            return await self._authenticator.identity(headers.getlist("Authorization"), headers.getlist(API_KEY_HEADER))
        except CredentialError as error:
            self._turned_away(request, error.reason, str(error))
            raise NotAuthenticatedError(str(error), shown=error.reason != "missing") from None

    def _turned_away(self, request: Request, reason: Reason, text: str) -> None:
        self._on_refusal(reason)
        log.warning("request %s turned away (%s): %s", request.state.request_id, reason, text)


def caller_of(request: Request) -> Caller:
    """The caller that `Access` found."""
    caller: Caller = request.state.caller
    return caller


def _forms(authenticator: Authenticator | None) -> list[str]:
    if authenticator is None:
        return []
    forms = (("API key", authenticator.takes_keys), ("JWT", authenticator.takes_tokens))
    return [name for name, on in forms if on]
