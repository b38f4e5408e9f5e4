"""Connections to the online store that fail within a bounded time."""

import re
from typing import Any

import redis
from pydantic import Field, SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from credit.errors import SettingsError
from credit.schemas.features import Frozen

_UNSET_VARIABLE = re.compile(r"\$\{?\w+\}?")


class RedisSettings(Frozen):
    """Where the online store is and how long to wait for it.

    Attributes:
        url: redis:// or rediss:// address; may carry user and password.
        password: kept apart from the address where that comes from a secret.
        connect_timeout: seconds to open a connection.
        read_timeout: seconds to wait for each answer.
    """

    url: SecretStr
    password: SecretStr | None = None
    connect_timeout: float = Field(default=0.1, gt=0)
    read_timeout: float = Field(default=0.1, gt=0)


def connection_pool(settings: RedisSettings) -> redis.ConnectionPool:
    """A thread-safe pool without retries: redis-py's default of 3 with back-off would hang a request.

    Raises:
        SettingsError: the address is malformed.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": settings.connect_timeout,
        "socket_timeout": settings.read_timeout,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
    }
    if settings.password is not None:
        options["password"] = settings.password.get_secret_value()
    try:
        return redis.ConnectionPool.from_url(settings.url.get_secret_value(), **options)
    except ValueError as error:
        raise SettingsError(f"the address of Redis is malformed: {error}; expected redis://host:port/db") from None


def given(value: str | None) -> str | None:
    """`value`, or None when it is empty or the name of an environment variable that was not set.

    Feast expands ${NAME} in its settings and leaves the text as it is when NAME is unset.
    """
    return None if not value or _UNSET_VARIABLE.fullmatch(value) else value
