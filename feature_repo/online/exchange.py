"""Sends packed commands to whichever server holds their key, and reads the answers: one bounded attempt, no retries."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import redis

from feature_repo.online.connection import RedisSettings, connection_pool

#: Commands in one write to the socket: keeps requests and answers below the sockets' buffers.
_COMMANDS_PER_WRITE: Final = 200
_PING: Final = b"*1\r\n$4\r\nPING\r\n"


class Exchange(Protocol):
    """Port: all that reader and writer know about how many servers there are; thread-safe."""

    def ask(self, commands: Sequence[bytes], keys: Sequence[bytes]) -> list[Any]:
        """The answer to each command, in order.

        Args:
            commands: whole commands in Redis's protocol, which may be sent twice.
            keys: one key of each command; all keys of one command lie in one slot.

        Raises:
            RedisError, OSError: a server did not answer in time, or refused.
        """
        ...

    def ping(self) -> None:
        """Raise RedisError or OSError unless every primary answers."""
        ...

    def primaries(self) -> Sequence[redis.ConnectionPool]:
        """A pool per server that holds keys, for work on all of them."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


def open_exchange(settings: RedisSettings) -> Exchange:
    """The exchange for an address; connects when it is first used.

    Raises:
        SettingsError: the address is malformed or a file for TLS is missing.
    """
    if settings.address.topology == "cluster":
        from feature_repo.online.cluster import ClusterExchange

        return ClusterExchange(settings)
    return PrimaryExchange(settings)


class PrimaryExchange:
    """`Exchange` with one server, or with whom the sentinels call primary."""

    def __init__(self, settings: RedisSettings) -> None:
        self._pool = connection_pool(settings)

    def ask(self, commands: Sequence[bytes], keys: Sequence[bytes]) -> list[Any]:  # noqa: ARG002 - one server has all
        """See `Exchange`."""
        return exchange(self._pool, commands)

    def ping(self) -> None:
        """See `Exchange`."""
        exchange(self._pool, [_PING])

    def primaries(self) -> Sequence[redis.ConnectionPool]:
        """See `Exchange`."""
        return [self._pool]

    def close(self) -> None:
        """See `Exchange`."""
        self._pool.disconnect()


def exchange(pool: redis.ConnectionPool, commands: Sequence[bytes]) -> list[Any]:
    """Send commands over one connection and read as many answers.

    Raises:
        RedisError, OSError: no answer in time, or one of the answers is an error.
    """
    # Below redis-py's command layer, which costs as much as the round trip; its pool replaces dead connections.
    connection: Any = pool.get_connection()
    answers: list[Any] = []
    try:
        for start in range(0, len(commands), _COMMANDS_PER_WRITE):
            part = commands[start : start + _COMMANDS_PER_WRITE]
            connection.send_packed_command([b"".join(part)], check_health=False)
            answers += [connection.read_response() for _ in part]
    except BaseException:
        # Answers may still be on their way: the next user of this connection must not read them.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    return answers


def packed_command(*words: bytes) -> bytes:
    """A command in Redis's protocol."""
    return b"*%d\r\n%b" % (len(words), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words]))
