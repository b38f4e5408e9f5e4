"""Sends packed commands to whichever server holds their key, and reads the answers: one bounded attempt, no retries."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import redis

from feature_repo.online.connection import RedisSettings, connection_pool

#: Commands in one write to the socket: keeps requests and answers below the sockets' buffers.
_COMMANDS_PER_WRITE: Final = 200
_KEYS_PER_SCAN: Final = b"1000"


class Exchange(Protocol):
    """Port: all that reader and writer know about how many servers there are; thread-safe.

    Every method that asks raises RedisError or OSError when a server did not answer in time, or refused.
    """

    def ask(self, commands: Sequence[bytes], keys: Sequence[bytes]) -> list[Any]:
        """The answer to each command, in order.

        Args:
            commands: whole commands in Redis's protocol; after a failover or a move of slots they are sent again, so
                that sending twice must be the same as once.
            keys: one key of each command.
        """
        ...

    def together(self, keys: Sequence[bytes]) -> Sequence[Sequence[int]]:
        """Positions in `keys` by groups that one command may name together."""
        ...

    def scan(self, pattern: bytes) -> Iterator[list[bytes]]:
        """All keys that match, some at a time, some perhaps twice."""
        ...

    def ping(self) -> None:
        """Return when a server that holds keys answers."""
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

    def together(self, keys: Sequence[bytes]) -> Sequence[Sequence[int]]:
        """See `Exchange`."""
        return [range(len(keys))]

    def scan(self, pattern: bytes) -> Iterator[list[bytes]]:
        """See `Exchange`."""
        return scan(self._pool, pattern)

    def ping(self) -> None:
        """See `Exchange`."""
        exchange(self._pool, [packed_command(b"PING")])

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


def scan(pool: redis.ConnectionPool, pattern: bytes) -> Iterator[list[bytes]]:
    """All keys of one server that match, some at a time, some perhaps twice.

    Raises:
        RedisError, OSError: no answer in time.
    """
    cursor = b"0"
    while True:
        command = packed_command(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _KEYS_PER_SCAN)
        cursor, keys = exchange(pool, [command])[0]
        if keys:
            yield keys
        if cursor == b"0":
            return


def packed_command(*words: bytes) -> bytes:
    """A command in Redis's protocol."""
    return b"*%d\r\n%b" % (len(words), packed_words(words))


def packed_words(words: Sequence[bytes]) -> bytes:
    """Words of a command in Redis's protocol."""
    lengths = set(map(len, words))
    if len(lengths) == 1:  # as rows of a view without strings: one join instead of a text for each
        between = b"\r\n$%d\r\n" % lengths.pop()
        return between[2:] + between.join(words) + b"\r\n"
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
