"""Connections to Redis that fail within a bounded time: settings, and pools for each kind of address."""

import re
from pathlib import Path
from typing import Any

import redis
from pydantic import Field, SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from credit.errors import SettingsError
from credit.schemas.features import Frozen
from feature_repo.online.address import Address, parse_address

_UNSET_VARIABLE = re.compile(r"\$\{?\w+\}?")


class RedisSettings(Frozen):
    """Where Redis is, how to prove who we are, and how long to wait.

    Attributes:
        url: address, see `feature_repo.online.address`; may carry user and password.
        password: kept apart from the address where that comes from a secret; one in the address wins.
        sentinel_password: of the sentinels themselves.
        ca_file: PEM certificates that the server's one must be signed by; unset, the system's.
        cert_file: PEM certificate to show to the server.
        key_file: PEM private key of that certificate.
        check_hostname: whether the server's certificate must name the host that was asked.
        connect_timeout: seconds to open a connection.
        read_timeout: seconds to wait for each answer.
    """

    url: SecretStr
    password: SecretStr | None = None
    sentinel_password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True
    connect_timeout: float = Field(default=0.1, gt=0)
    read_timeout: float = Field(default=0.1, gt=0)

    @property
    def address(self) -> Address:
        """The parts of `url`.

        Raises:
            SettingsError: it is malformed.
        """
        return parse_address(self.url.get_secret_value())


def connection_pool(settings: RedisSettings) -> redis.ConnectionPool:
    """A thread-safe pool of connections to the one server, or to whom the sentinels call primary.

    Raises:
        SettingsError: the address is malformed or a cluster's, or a file for TLS is missing.
    """
    address = settings.address
    if address.topology == "cluster":
        raise SettingsError("a Redis Cluster cannot be used here: give the address of one server or of sentinels")
    if address.topology == "sentinel":
        return _sentinel_pool(settings, address)
    return node_pool(settings, *address.nodes[0])


def node_pool(settings: RedisSettings, host: str, port: int) -> redis.ConnectionPool:
    """A pool of connections to one server, with the user, database and TLS of the settings.

    Raises:
        SettingsError: a file for TLS is missing.
    """
    address = settings.address
    kind = redis.SSLConnection if address.tls else redis.Connection
    options = _bounded(settings) | _identity(settings, address) | _tls(settings, address)
    return redis.ConnectionPool(connection_class=kind, host=host, port=port, **options)


def given(value: str | None) -> str | None:
    """`value`, or None when it is empty or the name of an environment variable that was not set.

    Feast expands ${NAME} in its settings and leaves the text as it is when NAME is unset.
    """
    return None if not value or _UNSET_VARIABLE.fullmatch(value) else value


def _sentinel_pool(settings: RedisSettings, address: Address) -> redis.ConnectionPool:
    from redis.sentinel import Sentinel, SentinelConnectionPool

    tls: dict[str, Any] = {"ssl": address.tls, **_tls(settings, address)}
    sentinels: dict[str, Any] = _bounded(settings) | tls
    if settings.sentinel_password is not None:
        sentinels["password"] = settings.sentinel_password.get_secret_value()
    # Each new connection asks the sentinels who is primary; the one that answered is asked first the next time.
    asked = Sentinel(address.nodes, sentinel_kwargs=sentinels)  # type: ignore[no-untyped-call]
    options = _bounded(settings) | _identity(settings, address) | tls
    return SentinelConnectionPool(address.service, asked, **options)  # type: ignore[no-untyped-call]


def _bounded(settings: RedisSettings) -> dict[str, Any]:
    # redis-py's default of 3 retries with back-off would hang a request.
    return {
        "socket_connect_timeout": settings.connect_timeout,
        "socket_timeout": settings.read_timeout,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
    }


def _identity(settings: RedisSettings, address: Address) -> dict[str, Any]:
    password = address.password
    if password is None and settings.password is not None:
        password = settings.password.get_secret_value()
    return {"username": address.username, "password": password, "db": address.db}


def _tls(settings: RedisSettings, address: Address) -> dict[str, Any]:
    if not address.tls:
        return {}
    files = {"ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    for file in files.values():
        if file is not None and not file.is_file():
            raise SettingsError(f"{file}, given for TLS to Redis, is not a file")
    paths = {name: str(file) for name, file in files.items() if file is not None}
    return {**paths, "ssl_check_hostname": settings.check_hostname}
