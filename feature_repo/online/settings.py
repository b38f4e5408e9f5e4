"""How to reach the online store: the same settings for feature builds and for serving, under either's prefix."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from credit.errors import SettingsError
from credit.settings import EnvironmentSettings
from feature_repo.online.connection import RedisSettings


class RedisAccess(EnvironmentSettings):
    """The online store's address, secrets and TLS files."""

    redis_url: Annotated[
        SecretStr,
        Field(description="Online store: redis://, redis+sentinel:// or redis+cluster:// address; rediss: with TLS."),
    ] = SecretStr("redis://127.0.0.1:6379/0")
    redis_password: Annotated[
        SecretStr | None, Field(description="Password of the online store, if its address does not carry one.")
    ] = None
    redis_sentinel_password: Annotated[
        SecretStr | None, Field(description="Password of the sentinels themselves, if they want one.")
    ] = None
    redis_ca_file: Annotated[
        Path | None, Field(description="PEM certificates that sign Redis's certificate; unset: the system's.")
    ] = None
    redis_cert_file: Annotated[Path | None, Field(description="PEM certificate that we show to Redis.")] = None
    redis_key_file: Annotated[Path | None, Field(description="PEM private key of that certificate.")] = None
    redis_check_hostname: Annotated[
        bool, Field(description="Whether Redis's certificate must name the host of the address.")
    ] = True

    @model_validator(mode="after")
    def _tls_files_are_used(self) -> "RedisAccess":
        files = (self.redis_ca_file, self.redis_cert_file, self.redis_key_file)
        if any(files) and not self.redis_url.get_secret_value().startswith("rediss"):
            raise SettingsError("files for TLS are given, but the address of the online store is not rediss://")
        if (self.redis_cert_file is None) != (self.redis_key_file is None):
            raise SettingsError("a certificate for Redis and its key belong together: give both or none")
        return self

    def redis(self, connect_timeout: float, read_timeout: float) -> RedisSettings:
        """What a connection to the online store needs; timeouts in seconds."""
        return RedisSettings(
            url=self.redis_url,
            password=self.redis_password,
            sentinel_password=self.redis_sentinel_password,
            ca_file=self.redis_ca_file,
            cert_file=self.redis_cert_file,
            key_file=self.redis_key_file,
            check_hostname=self.redis_check_hostname,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )

    def without_redis(self) -> Self:
        """A copy without anything about Redis: for work on other machines that has no business there."""
        defaults = {name: field.default for name, field in RedisAccess.model_fields.items()}
        return self.model_copy(update=defaults)

    def redis_environment(self) -> dict[str, str]:
        """These settings as environment variables, secrets included; without those that are not set."""
        prefix = str(self.model_config.get("env_prefix"))
        given = {name: getattr(self, name) for name in RedisAccess.model_fields}
        return {f"{prefix}{name.upper()}": _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
