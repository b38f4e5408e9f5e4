"""Shadow records: a Redis stream of their own, bounded by forgetting the oldest."""

from typing import Protocol

import redis

from credit.errors import StoreUnavailableError
from credit.schemas.decision import RECORD_FIELD
from credit.schemas.shadow import ShadowRecord, shadow_stream_key
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange, packed_command


class ShadowLog(Protocol):
    """Port: keeps shadow records."""

    def append(self, record: ShadowRecord) -> None:
        """Keep one.

        Raises:
            StoreUnavailableError: it was not taken in time.
        """
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class RedisShadowLog:
    """`ShadowLog` on a Redis stream; for one thread.

    The bound is approximate: Redis forgets whole blocks, so that the stream may hold some hundred records more. After a
    failover a record may be there twice. Neither does harm here; in the decision log both would.

    Args:
        settings: address and timeouts.
        project: prefix of the key.
        limit: records that the stream is to hold.
    """

    def __init__(self, settings: RedisSettings, project: str, limit: int) -> None:
        self._exchange = open_exchange(settings)
        self._stream = shadow_stream_key(project).encode()
        self._limit = b"%d" % limit

    def append(self, record: ShadowRecord) -> None:
        """See `ShadowLog`."""
        words = (b"XADD", self._stream, b"MAXLEN", b"~", self._limit, b"*", RECORD_FIELD.encode())
        command = packed_command(*words, record.model_dump_json().encode())
        try:
            self._exchange.ask([command], [self._stream])
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(f"the shadow stream does not answer: {error}") from error

    def close(self) -> None:
        """See `ShadowLog`."""
        self._exchange.close()
