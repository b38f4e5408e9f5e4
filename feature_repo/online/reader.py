"""Reads packed feature rows for serving: one HMGET per client, no feast, no pandas, no waiting for a dead server."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis

from credit.errors import StoreUnavailableError
from credit.schemas.features import ViewBatch, ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.codec import decode_batch, with_mismatches
from feature_repo.online.connection import RedisSettings, connection_pool
from feature_repo.online.joined import JoinedLayout
from feature_repo.online.keys import client_key, view_of_field
from feature_repo.online.layout import layout_of

#: Clients asked for in one write to the socket: keeps requests and answers below the sockets' buffers.
_CLIENTS_PER_REQUEST = 200


def system_now_us() -> int:
    """The wall clock in microseconds since the epoch (UTC)."""
    return time.time_ns() // 1000


class PackedReader:
    """`credit.schemas.features.FeatureReader` over the packed Redis online store; thread-safe.

    Args:
        settings: address and timeouts.
        project: Feast project whose rows to read.
        views: layouts to read, in any order.
        now_us: clock for staleness, microseconds since the epoch (UTC).
        breaker: shared by all reads.
    """

    def __init__(
        self,
        settings: RedisSettings,
        project: str,
        views: Sequence[ViewSpec],
        now_us: Callable[[], int] = system_now_us,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._pool = connection_pool(settings)
        self._project = project
        self._layouts = tuple(layout_of(view) for view in views)
        self._joined = JoinedLayout(self._layouts)
        self._now_us = now_us
        self._breaker = breaker or CircuitBreaker()
        fields = [layout.field for layout in self._layouts]
        self._command = b"*%d\r\n$5\r\nHMGET\r\n" % (len(fields) + 2)
        self._fields = b"".join(b"$%d\r\n%b\r\n" % (len(field), field) for field in fields)

    def read(self, client_ids: Sequence[int]) -> dict[str, ViewBatch]:
        """One `ViewBatch` per view, by view name, each for all `client_ids` in order.

        Raises:
            StoreUnavailableError: the store did not answer in time.
            CodecError: stored bytes are truncated or altered; names client and view.
        """
        answers = self._ask([*self._requests(client_ids)])
        now_us = self._now_us()
        whole = self._joined.decode(client_ids, answers, now_us)
        return self._one_by_one(client_ids, answers, now_us) if whole is None else whole

    def ping(self) -> None:
        """Raise StoreUnavailableError unless the store answers."""
        self._ask([(b"*1\r\n$4\r\nPING\r\n", 1)])

    def close(self) -> None:
        """Release connections."""
        self._pool.disconnect()

    def _one_by_one(
        self, client_ids: Sequence[int], answers: Sequence[Sequence[bytes | None]], now_us: int
    ) -> dict[str, ViewBatch]:
        """Something is absent or broken: view by view, so that each client and view gets its own verdict."""
        batches = {
            layout.spec.name: decode_batch(layout, client_ids, [answer[position] for answer in answers], now_us)
            for position, layout in enumerate(self._layouts)
        }
        incomplete = [at for at, answer in enumerate(answers) if None in answer]
        others = self._other_schemas([client_ids[at] for at in incomplete])
        return {
            name: with_mismatches(batch, [at for at, views in zip(incomplete, others, strict=True) if name in views])
            for name, batch in batches.items()
        }

    def _other_schemas(self, client_ids: Sequence[int]) -> list[set[str]]:
        """Per client the views of which any row lies there."""
        requests = [(b"".join(map(self._names_request, part)), len(part)) for part in _parts(client_ids)]
        return [{view_of_field(field) for field in fields} for fields in self._ask(requests)]

    def _requests(self, client_ids: Sequence[int]) -> Iterator[tuple[bytes, int]]:
        for part in _parts(client_ids):
            yield b"".join([self._request(client_id) for client_id in part]), len(part)

    def _request(self, client_id: int) -> bytes:
        key = client_key(self._project, client_id)
        return b"%b$%d\r\n%b\r\n%b" % (self._command, len(key), key, self._fields)

    def _names_request(self, client_id: int) -> bytes:
        key = client_key(self._project, client_id)
        return b"*2\r\n$5\r\nHKEYS\r\n$%d\r\n%b\r\n" % (len(key), key)

    def _ask(self, requests: Sequence[tuple[bytes, int]]) -> list[Any]:
        if not self._breaker.allows():
            raise StoreUnavailableError("the online store did not answer just now; it is asked again in a moment")
        try:
            answers = self._exchange(requests)
        except (redis.RedisError, OSError) as error:
            self._breaker.failed()
            raise StoreUnavailableError(f"the online store does not answer: {error}") from error
        self._breaker.succeeded()
        return answers

    def _exchange(self, requests: Sequence[tuple[bytes, int]]) -> list[Any]:
        # Below redis-py's command layer, which costs as much as the round trip; its pool replaces dead connections.
        connection: Any = self._pool.get_connection()
        answers: list[Any] = []
        try:
            for request, size in requests:
                connection.send_packed_command([request], check_health=False)
                answers += [connection.read_response() for _ in range(size)]
        except BaseException:
            # Answers may still be on their way: the next user of this connection must not read them.
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)
        return answers


def _parts(client_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(client_ids), _CLIENTS_PER_REQUEST):
        yield client_ids[start : start + _CLIENTS_PER_REQUEST]
