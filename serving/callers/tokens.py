"""JSON Web Tokens: signature, issuer, audience and time are checked before anything in them counts."""

from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt import exceptions

from serving.callers.identity import CredentialError, Identity, Reason, known_scopes
from serving.callers.signing_keys import ALGORITHMS, SigningKeyFinder

#: First match wins.
_REASONS: Final[tuple[tuple[type[Exception], Reason, str], ...]] = (
    (exceptions.ExpiredSignatureError, "expired", "the token has expired"),
    (exceptions.ImmatureSignatureError, "not_yet_valid", "the token is not valid yet"),
    (exceptions.InvalidIssuerError, "wrong_issuer", "the token is of another issuer"),
    (exceptions.InvalidAudienceError, "wrong_audience", "the token is for another audience"),
    (exceptions.InvalidAlgorithmError, "wrong_algorithm", "the token is signed with an algorithm that is not accepted"),
    (exceptions.InvalidKeyError, "bad_signature", "the token's signing key is too weak"),
    (exceptions.InvalidSignatureError, "bad_signature", "the token's signature is wrong"),
    (exceptions.MissingRequiredClaimError, "bad_claims", "the token must have `exp`, `iss` and `aud`"),
    (exceptions.InvalidSubjectError, "bad_claims", "the token's `sub` is no text"),
    (exceptions.InvalidIssuedAtError, "bad_claims", "the token's `iat` is no time"),
)
_MALFORMED: Final[tuple[Reason, str]] = ("malformed", "the token is malformed")
_OPTIONS: Final[dict[str, Any]] = {"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True}
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say.

    Attributes:
        issuer: its `iss`.
        audience: among its `aud`.
        scope_claim: claim with its scopes: words in one text, or a list.
        leeway: seconds that clocks may differ.
    """

    issuer: str
    audience: str
    scope_claim: str
    leeway: float


class TokenVerifier:
    """Tells whose token it is.

    Args:
        keys: finds the issuer's keys.
        rules: what else must hold.
    """

    def __init__(self, keys: SigningKeyFinder, rules: TokenRules) -> None:
        self._keys = keys
        self._rules = rules

    async def identity(self, token: str) -> Identity:
        """The caller whom the issuer vouches for.

        Raises:
            CredentialError: the token proves nothing.
            SigningKeysUnavailableError: it cannot be checked.
        """
        key = await self._keys.find(_key_id(token))
        if key is None:
            raise CredentialError("unknown_signing_key", "the token's signing key (`kid`) is not the issuer's")
        return self._identity(self._claims(token, key))

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        rules = self._rules
        try:
            return jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=rules.audience,
                issuer=rules.issuer,
                leeway=rules.leeway,
                options=_OPTIONS,  # type: ignore[arg-type]  # a TypedDict there
            )
        except (exceptions.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise _refusal(error) from None

    def _identity(self, claims: dict[str, Any]) -> Identity:
        name = claims.get("sub") or claims.get("client_id")
        if not (isinstance(name, str) and name.isprintable() and len(name) <= _LONGEST_NAME):
            raise CredentialError("bad_claims", "the token must name its caller in `sub` or `client_id`")
        # No API key's caller has a colon in its name: the two never share a limit or an Idempotency-Key.
        return Identity(f"jwt:{name}", known_scopes(claims.get(self._rules.scope_claim)))


def _key_id(token: str) -> str:
    """The key id that the token claims; refuses what no key could make good before a key is looked for."""
    try:
        header = jwt.get_unverified_header(token)
    except (exceptions.PyJWTError, ValueError) as error:
        raise _refusal(error) from None
    if header.get("alg") not in ALGORITHMS:
        raise CredentialError("wrong_algorithm", f"tokens are signed with {', '.join(ALGORITHMS)}")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise CredentialError("unknown_signing_key", "the token must name its signing key (`kid`)")
    return key_id


def _refusal(error: Exception) -> CredentialError:
    """`error` in our words: those of the library may hold parts of the token."""
    reason, text = next(((why, text) for kind, why, text in _REASONS if isinstance(error, kind)), _MALFORMED)
    return CredentialError(reason, text)
