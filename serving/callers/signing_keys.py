"""An issuer's public keys (JWKS): from a file or an address, never waited for by a request whose key is known."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from credit.errors import SettingsError
from serving.callers.followed import Followed
from serving.callers.identity import SigningKeysUnavailableError

#: Signatures by a private key that only the issuer has. Never `none`, and never HS*: its key would be a shared secret.
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "k"})
_PATIENCE_SECONDS: Final = 5.0
SigningKeys = Mapping[str, PyJWK]


def signing_keys(content: bytes) -> SigningKeys:
    """The keys of a JWKS that we accept, by key id; others in it are left aside.

    Raises:
        SettingsError: it is no JWKS, holds a private or shared key, or nothing that we accept.
    """
    try:
        document = json.loads(content)
        entries = list(document["keys"])
        found = dict(_accepted(entry) for entry in entries if _is_candidate(entry))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, PyJWTError) as error:
        raise SettingsError(f"not a JSON Web Key Set: {type(error).__name__}") from None
    if not found:
        raise SettingsError(f"the JSON Web Key Set holds no signing key for {', '.join(ALGORITHMS)} with a `kid`")
    return found


def _is_candidate(entry: Mapping[str, Any]) -> bool:
    if _PRIVATE_MEMBERS & entry.keys():
        raise SettingsError("the JSON Web Key Set holds a private or shared key: publish the public ones only")
    usable = entry.get("kty") in ("RSA", "EC", "OKP") and entry.get("use", "sig") == "sig"
    curve = entry.get("crv", "")
    return usable and bool(entry.get("kid")) and curve in ("", "P-256", "Ed25519") and _names_algorithm(entry)


def _names_algorithm(entry: Mapping[str, Any]) -> bool:
    return "alg" not in entry or entry["alg"] in ALGORITHMS


def _accepted(entry: dict[str, Any]) -> tuple[str, PyJWK]:
    return str(entry["kid"]), PyJWK(entry)


class SigningKeyFinder:
    """Finds a key by id.

    A key that is not known may be new: the set is read again, in a thread, at most once in `floor_seconds`, so that
    tokens with invented ids cost the issuer nothing.

    Args:
        keys: the set and where it comes from.
        floor_seconds: shortest pause between two reads that unknown ids cause.
        clock: seconds that only grow.
    """

    def __init__(
        self, keys: Followed[SigningKeys], floor_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = keys
        self._floor = floor_seconds
        self._clock = clock
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> PyJWK | None:
        """The key, or None.

        Raises:
            SigningKeysUnavailableError: no set was ever read.
        """
        known = self._keys.value
        if known is not None and key_id in known:
            return known[key_id]
        await self._read_again()
        known = self._keys.value
        if known is None:
            raise SigningKeysUnavailableError("tokens cannot be checked yet: the issuer's keys could not be read")
        return known.get(key_id)

    async def _read_again(self) -> None:
        """Wait for one read, together with whoever waits for it already."""
        if self._reading is None or self._reading.done():
            if self._read_at is not None and self._clock() - self._read_at < self._floor:
                return
            self._read_at = self._clock()
            self._reading = asyncio.create_task(asyncio.to_thread(self._keys.refresh))
        await asyncio.wait([self._reading], timeout=_PATIENCE_SECONDS)
