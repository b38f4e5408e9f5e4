"""Who may call and how much: the part of the service's settings about callers."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from credit.settings import EnvironmentSettings
from serving.callers.api_keys import default_key_file
from serving.callers.identity import Rate
from serving.loopback import is_loopback

Authentication = Literal["off", "keys", "jwt", "keys,jwt"]
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?", re.ASCII)
_TOKENS_NEED: Final = ("jwt_keys", "jwt_issuer", "jwt_audience")


class CallerSettings(EnvironmentSettings):
    """Authentication, rate limits and other sites' pages."""

    authentication: Annotated[
        Authentication,
        Field(
            description="How callers prove who they are: `keys`, `jwt`, `keys,jwt`, or `off`, which must be chosen on "
            "purpose and allows only a loopback host. TLS is the business of the ingress in front."
        ),
    ]
    api_keys_path: Annotated[
        Path,
        Field(
            default_factory=default_key_file,
            description="File of API keys (`creditctl keys`); its changes are followed within two seconds.",
        ),
    ]
    jwt_keys: Annotated[
        str | None,
        Field(description="The issuer's public keys (JWKS): a file, or an https:// address (http:// on loopback)."),
    ] = None
    jwt_issuer: Annotated[str | None, Field(min_length=1, description="What a token's `iss` must be.")] = None
    jwt_audience: Annotated[str | None, Field(min_length=1, description="What a token's `aud` must hold.")] = None
    jwt_scope_claim: Annotated[
        str,
        Field(min_length=1, description="Claim with a token's scopes: words in one text (`scope`), or a list."),
    ] = "scope"
    jwt_leeway_seconds: Annotated[
        float, Field(ge=0, le=300, description="How far the issuer's clock and ours may differ.")
    ] = 10.0
    jwt_refresh_seconds: Annotated[
        float, Field(gt=0, description="Pause between two readings of the issuer's keys.")
    ] = 300.0
    jwt_refetch_seconds: Annotated[
        float,
        Field(ge=1, description="Shortest pause between two readings that tokens with unknown key ids cause."),
    ] = 30.0
    rate_limit: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Clients per second that one caller may ask for, a batch of n counting n; more get 429 "
            "`rate_limited`. Of each replica, so the service allows `replicas` times as much. A key's own rate wins.",
        ),
    ] = None
    rate_burst: Annotated[
        int | None,
        Field(ge=1, description="Clients that a caller may ask for at once after a pause; unset: a second's worth."),
    ] = None
    metrics_access: Annotated[
        Literal["open", "admin"],
        Field(
            description="`open`: anyone may read /metrics, as Prometheus does by default; nothing in it tells about a "
            "client. `admin`: only callers with that scope."
        ),
    ] = "open"
    cors_origins: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Sites whose pages may call from a browser: exact origins with commas between, such as "
            "`https://desk.example.org`; none by default."
        ),
    ] = ()

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        return tuple(filter(None, (part.strip() for part in given.split(",")))) if isinstance(given, str) else given

    @field_validator("cors_origins")
    @classmethod
    def _exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("each must be exact: scheme, host and perhaps a port, without a path and without *")
        return origins

    @field_validator("api_keys_path")
    @classmethod
    def _absolute(cls, given: Path) -> Path:
        return given.absolute()  # replicas have working folders of their own

    @field_validator("jwt_keys")
    @classmethod
    def _trustworthy(cls, given: str | None) -> str | None:
        if given is None or "://" not in given:
            return given and str(Path(given).absolute())
        address = urlsplit(given)
        if address.scheme not in ("https", "http") or not address.hostname:
            raise ValueError("must be a file or an https:// address")
        if address.username is not None or address.password is not None:
            raise ValueError("must not hold a password: these keys are public")
        if address.scheme == "http" and not is_loopback(address.hostname):
            raise ValueError("must be https://: whoever can change these keys can call as anyone")
        return given

    @model_validator(mode="after")
    def _authentication_is_whole(self) -> Self:
        if self.takes_tokens:
            lacking = [name for name in _TOKENS_NEED if getattr(self, name) is None]
            problem = f"authentication by jwt needs {self._named(lacking)}" if lacking else ""
        else:
            idle = sorted(name for name in self.model_fields_set if name.startswith("jwt_"))
            problem = (
                f"authentication is {self.authentication}, without jwt: remove {self._named(idle)}" if idle else ""
            )
        if not problem and not self.takes_keys and "api_keys_path" in self.model_fields_set:
            problem = f"authentication is {self.authentication}, without keys: remove {self._named(['api_keys_path'])}"
        if problem:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _limits_are_whole(self) -> Self:
        if self.rate_burst is not None and self.rate_limit is None:
            raise ValueError(f"{self._named(['rate_burst'])} needs {self._named(['rate_limit'])}")
        if self.metrics_access == "admin" and self.authentication == "off":
            raise ValueError(f"{self._named(['metrics_access'])}=admin guards nothing while authentication is off")
        return self

    @property
    def takes_keys(self) -> bool:
        """Whether API keys are accepted."""
        return "keys" in self.authentication

    @property
    def takes_tokens(self) -> bool:
        """Whether JSON Web Tokens are accepted."""
        return "jwt" in self.authentication

    @property
    def default_rate(self) -> Rate | None:
        """The limit of callers without one of their own."""
        return None if self.rate_limit is None else Rate.of(self.rate_limit, self.rate_burst)

    def _named(self, fields: list[str]) -> str:
        prefix = str(self.model_config.get("env_prefix", ""))
        return ", ".join(f"{prefix}{name}".upper() for name in fields)
