"""The credential of a request, read from its headers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from serving.callers.identity import CredentialError

API_KEY_HEADER: Final = "X-API-Key"
#: Longer ones are refused before anything looks into them.
LONGEST_CREDENTIAL: Final = 8_192
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
_API_KEY: Final = re.compile(r"cs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key or a token, not proven yet. It does not show its text."""

    kind: Literal["key", "token"]
    text: str = field(repr=False)


def credential_of(authorization: Sequence[str], api_key: Sequence[str]) -> Credential:
    """The one credential in all values of `Authorization` and of `X-API-Key`.

    Raises:
        CredentialError: there is none, or more than one, or it has neither form.
    """
    given = [*authorization, *api_key]
    if not given:
        raise CredentialError("missing", f"send `Authorization: Bearer ...` or `{API_KEY_HEADER}: ...`")
    if len(given) > 1:
        raise CredentialError("malformed", f"send one credential: `Authorization` or `{API_KEY_HEADER}`, and once")
    if len(given[0]) > LONGEST_CREDENTIAL:
        raise CredentialError("malformed", f"a credential has at most {LONGEST_CREDENTIAL} characters")
    return _bearer(authorization[0]) if authorization else _key(api_key[0])


def _bearer(value: str) -> Credential:
    found = _BEARER.fullmatch(value)
    if found is None:
        raise CredentialError("malformed", "the form is `Authorization: Bearer KEY-OR-TOKEN`")
    text = found[1]
    if _API_KEY.fullmatch(text):
        return Credential("key", text)
    if text.count(".") != 2:
        raise CredentialError("malformed", "what follows `Bearer` is neither an API key nor a JSON Web Token")
    return Credential("token", text)


def _key(value: str) -> Credential:
    if not _API_KEY.fullmatch(value):
        raise CredentialError("malformed", f"what {API_KEY_HEADER} holds is no API key")
    return Credential("key", value)
