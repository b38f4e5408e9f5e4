"""Reads packed feature rows for serving: one HMGET per client, no feast, no pandas, no waiting for a dead server."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import redis

from credit.errors import StoreUnavailableError
from credit.schemas.features import ViewBatch, ViewSpec
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.codec import decode_batch, with_mismatches
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange, packed_command
from feature_repo.online.joined import JoinedLayout
from feature_repo.online.keys import client_key, view_of_field
from feature_repo.online.layout import layout_of

_T = TypeVar("_T")


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
        self._exchange = open_exchange(settings)
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
        keys = [client_key(self._project, client_id) for client_id in client_ids]
        answers = self._ask([self._rows_command(key) for key in keys], keys)
        now_us = self._now_us()
        whole = self._joined.decode(client_ids, answers, now_us)
        return self._one_by_one(client_ids, answers, now_us) if whole is None else whole

    def ping(self) -> None:
        """Raise StoreUnavailableError unless the store answers."""
        self._guarded(self._exchange.ping)

    def close(self) -> None:
        """Release connections."""
        self._exchange.close()

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
        keys = [client_key(self._project, client_id) for client_id in client_ids]
        names = self._ask([packed_command(b"HKEYS", key) for key in keys], keys)
        return [{view_of_field(field) for field in fields} for fields in names]

    def _rows_command(self, key: bytes) -> bytes:
        return b"%b$%d\r\n%b\r\n%b" % (self._command, len(key), key, self._fields)

    def _ask(self, commands: Sequence[bytes], keys: Sequence[bytes]) -> list[Any]:
        return self._guarded(lambda: self._exchange.ask(commands, keys))

    def _guarded(self, ask: Callable[[], _T]) -> _T:
        if not self._breaker.allows():
            raise StoreUnavailableError("the online store did not answer just now; it is asked again in a moment")
        try:
            answer = ask()
        except redis.ResponseError as error:  # it answers, and at once: nobody waits, so nobody else is held back
            self._breaker.succeeded()
            raise StoreUnavailableError(f"the online store refuses: {error}") from error
        except (redis.RedisError, OSError) as error:
            self._breaker.failed()
            raise StoreUnavailableError(f"the online store does not answer: {error}") from error
        self._breaker.succeeded()
        return answer
