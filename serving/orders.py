"""What a caller wants of the service, free of HTTP."""

import hashlib
from dataclasses import dataclass
from typing import Self

from credit.reason_codes import Language
from credit.schemas.overrides import NO_OVERRIDES, Overrides


@dataclass(frozen=True, slots=True)
class Order:
    """One client to decide about.

    Attributes:
        client_id: whom.
        overrides: what the request states in place of the stored application.
        reasons: whether to name the reasons.
        language: of the reasons.
    """

    client_id: int
    overrides: Overrides = NO_OVERRIDES
    reasons: bool = True
    language: Language = "en"


@dataclass(frozen=True, slots=True)
class Claim:
    """A caller's idempotency key: the same key and body get the same decision.

    Attributes:
        digest: of caller and key, in hexadecimal.
        fingerprint: of the body, in hexadecimal.
    """

    digest: str
    fingerprint: str

    @classmethod
    def of(cls, caller: str, key: str, body: bytes) -> Self:
        """The claim of one request. Neither key nor caller can be read from it."""
        digest = hashlib.sha256(f"{caller}\0{key}".encode()).hexdigest()
        return cls(digest, hashlib.sha256(body).hexdigest())

    def item(self, position: int) -> "Claim":
        """The claim of one item of a batch."""
        return Claim(hashlib.sha256(f"{self.digest}/{position}".encode()).hexdigest(), self.fingerprint)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks: the request's id and the caller's name, which the record keeps, and a claim if there is one."""

    request_id: str
    caller: str
    claim: Claim | None = None

    def item(self, position: int) -> "Asked":
        """Who asks for one item of a batch."""
        return Asked(self.request_id, self.caller, self.claim and self.claim.item(position))
