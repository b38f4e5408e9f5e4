"""The decision log: a Redis stream that every answered decision is appended to, and found again by its id."""

import logging
import math
import threading
from collections.abc import Callable
from typing import Any, Protocol

import redis
from pydantic import ValidationError

from credit.errors import DataError, DecisionLogFullError, StoreUnavailableError
from credit.schemas.decision import DecisionRecord, decision_index_key, decision_stream_key
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange, packed_command

log = logging.getLogger(__name__)

#: Share of the stream's limit from which operators are warned.
ALARM_SHARE = 0.8
#: Entry field that holds the record.
RECORD_FIELD = "record"

# One atomic step: refuse at the limit, append, index. Appending an id twice keeps the first.
_APPEND = b"""
local length = redis.call('XLEN', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then return length end
if length >= tonumber(ARGV[1]) then return -1 end
local entry = redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[3])
redis.call('SET', KEYS[2], entry)
return length + 1
"""


class DecisionLog(Protocol):
    """Port: keeps decisions before they are answered."""

    def append(self, record: DecisionRecord) -> None:
        """Keep `record`; when this returns, killing any of our processes loses nothing.

        Raises:
            StoreUnavailableError: the log did not take it in time.
            DecisionLogFullError: the log is at its limit.
        """
        ...

    def ping(self) -> None:
        """Raise StoreUnavailableError unless the log answers."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class RedisDecisionLog:
    """`DecisionLog` on a Redis stream; thread-safe.

    Args:
        settings: address and timeouts.
        project: prefix of the keys.
        limit: entries that the stream may hold; nothing is trimmed here, the archiver does that.
    """

    def __init__(
        self, settings: RedisSettings, project: str, limit: int, breaker: CircuitBreaker | None = None
    ) -> None:
        self._exchange = open_exchange(settings)
        self._project = project
        self._stream = decision_stream_key(project).encode()
        self._limit = limit
        self._alarm = _Alarm(limit)
        self._breaker = breaker or CircuitBreaker()

    def append(self, record: DecisionRecord) -> None:
        """Append `record` and its id index in one atomic call."""
        text = record.model_dump_json().encode()
        keys = (b"2", self._stream, self._index_key(record.decision_id))
        # The whole script each time: Redis knows it by its text, also right after a failover.
        length = int(self._told(b"EVAL", _APPEND, *keys, b"%d" % self._limit, RECORD_FIELD.encode(), text))
        if length < 0:
            self._alarm.full()
            raise DecisionLogFullError(
                f"the decision log holds {self._limit} decisions that are not archived yet: run the archiver"
            )
        self._alarm.watch(length)

    def find(self, decision_id: str) -> DecisionRecord | None:
        """The record of `decision_id`, or None when the stream does not hold it (any more)."""
        entry_id = self._told(b"GET", self._index_key(decision_id))
        if entry_id is None:
            return None
        entries = self._told(b"XRANGE", self._stream, entry_id, entry_id)
        if not entries:
            return None
        (_, (_, stored, *_)), *_ = entries
        try:
            return DecisionRecord.model_validate_json(stored)
        except ValidationError as error:
            raise DataError(f"decision {decision_id} is stored in a form that is not understood") from error

    def ping(self) -> None:
        """Raise StoreUnavailableError unless the log answers."""
        self._told(b"PING")

    def close(self) -> None:
        """Release connections."""
        self._exchange.close()

    def _index_key(self, decision_id: str) -> bytes:
        return decision_index_key(self._project, decision_id).encode()

    def _told(self, *words: bytes) -> Any:
        # Stream and indexes lie in one slot, so that any of them says which server to ask.
        return self._ask(lambda: self._exchange.ask([packed_command(*words)], [self._stream])[0])

    def _ask(self, call: Callable[[], Any]) -> Any:
        if not self._breaker.allows():
            raise StoreUnavailableError("the decision log did not answer just now; it is asked again in a moment")
        try:
            answer = call()
        except (redis.RedisError, OSError) as error:
            self._breaker.failed()
            raise StoreUnavailableError(f"the decision log does not answer: {error}") from error
        self._breaker.succeeded()
        return answer


class _Alarm:
    """Logs once when the stream passes the alarm share, and once when it is full; again after it has shrunk."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._threshold = math.ceil(limit * ALARM_SHARE)
        self._lock = threading.Lock()
        self._raised: str | None = None

    def watch(self, length: int) -> None:
        if length < self._threshold:
            self._raised = None
        else:
            self._raise("near", f"the decision log holds {length} of {self._limit} decisions: archive it soon")

    def full(self) -> None:
        self._raise("full", f"the decision log is full ({self._limit} decisions): scoring stops until it is archived")

    def _raise(self, level: str, message: str) -> None:
        with self._lock:
            if self._raised == level:
                return
            self._raised = level
        log.error(message)
