"""API keys: made once, kept as hashes in one file, checked in constant time."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from credit.errors import SettingsError
from credit.files import atomic_path
from credit.platform import Home
from serving.callers.identity import CredentialError, Identity, Rate, Scope

_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 6
_ID_AT: Final = slice(3, 3 + 2 * _ID_BYTES)
#: Compared with when no key has the id, so that this takes as long.
_NOBODY: Final = "0" * 64
CallerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class ApiKey(BaseModel):
    """What is kept of a key.

    The hash is a plain SHA-256: a key has 256 random bits, so there is nothing to guess that a slow hash would have to
    protect, and a slow hash would cost each request milliseconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: CallerName
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    scopes: tuple[Scope, ...] = Field(min_length=1)
    created: AwareDatetime
    expires: AwareDatetime | None = None
    rate: float | None = Field(None, gt=0, allow_inf_nan=False)
    burst: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name == "anyone":
            raise ValueError("`anyone` is what the record says while authentication is off: take another name")
        if self.burst is not None and self.rate is None:
            raise ValueError("a burst needs a rate")
        return self

    @property
    def identity(self) -> Identity:
        """The caller that this key proves."""
        rate = None if self.rate is None else Rate.of(self.rate, self.burst)
        return Identity(self.name, frozenset(self.scopes), rate)


class KeyFile(BaseModel):
    """The file of all keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("two keys have the same id")
        return self

    def write(self, path: Path) -> None:
        """Replace the file at `path`; only its owner can read it."""
        with atomic_path(path) as staged:
            staged.touch(mode=0o600)
            staged.write_text(self.model_dump_json(indent=2, exclude_none=True) + "\n", "utf-8")


class KeyRing:
    """Keys by id, to check credentials against."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = {key.id: key for key in keys}

    def identity(self, text: str, now: datetime) -> Identity:
        """Whose key `text` is.

        Raises:
            CredentialError: nobody's, or it has expired.
        """
        key = self._keys.get(text[_ID_AT])
        if not hmac.compare_digest(digest(text), _NOBODY if key is None else key.sha256) or key is None:
            raise CredentialError("unknown_key", "the API key is unknown or revoked")
        if key.expires is not None and now >= key.expires:
            raise CredentialError("expired", f"the API key {key.id} has expired: ask for a new one")
        return key.identity


def new_key() -> tuple[str, str]:
    """A new key and its id. The id is no secret; the prefix lets scanners for leaked secrets find keys."""
    key_id = secrets.token_hex(_ID_BYTES)
    return f"cs_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}", key_id


def digest(key: str) -> str:
    """What is kept of a key, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def parsed_keys(content: bytes) -> KeyFile:
    """The keys that a file holds.

    Raises:
        SettingsError: it is no file of keys; names what is wrong, without values.
    """
    try:
        return KeyFile.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        where = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in found)
        raise SettingsError(f"not a file of API keys: {where}") from None


def key_ring(content: bytes) -> KeyRing:
    """The same, ready to check credentials."""
    return KeyRing(parsed_keys(content).keys)


def default_key_file() -> Path:
    """Where keys are kept unless a setting says otherwise."""
    return Home.current().keys / "api-keys.json"
