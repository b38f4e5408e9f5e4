"""What a proven credential tells: the caller's name, what it may do, how much it may ask."""

import math
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

from credit.errors import CreditError

Scope = Literal["score", "explain", "decisions", "admin"]
ALL_SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))

#: Why a caller was turned away: the label of the metric, so these words and no others.
Reason = Literal[
    "missing",
    "malformed",
    "not_accepted",
    "unknown_key",
    "expired",
    "not_yet_valid",
    "unknown_signing_key",
    "wrong_algorithm",
    "bad_signature",
    "wrong_issuer",
    "wrong_audience",
    "bad_claims",
    "lacks_scope",
]


class CredentialError(CreditError):
    """A credential proves nothing; its text never holds the credential."""

    code = "not_authenticated"

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason: Reason = reason
        super().__init__(message)


class SigningKeysUnavailableError(CreditError):
    """Tokens cannot be checked: the issuer's keys were never read."""

    code = "signing_keys_unavailable"


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a caller may ask: clients per second over time, and clients at once after a pause."""

    per_second: float
    burst: int

    @classmethod
    def of(cls, per_second: float, burst: int | None) -> Self:
        """A rate whose burst is what a second allows, unless it is given."""
        return cls(per_second, math.ceil(per_second) if burst is None else burst)


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose credential was proven.

    Attributes:
        name: for records and rate limits; the same for all credentials of one caller.
        scopes: what it may do.
        rate: its own limit; None means everybody's.
    """

    name: str
    scopes: frozenset[Scope]
    rate: Rate | None = None


def known_scopes(names: object) -> frozenset[Scope]:
    """The scopes of ours among `names`: words in one text, or a list of texts."""
    words = names.split() if isinstance(names, str) else names if isinstance(names, list) else []
    return frozenset(scope for scope in ALL_SCOPES if scope in words)
