"""The decision log: a Redis stream that every answered decision is appended to, and found again by its id."""

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from credit.errors import CreditError, DataError, DecisionLogFullError, IdempotencyConflictError
from credit.schemas.decision import (
    RECORD_FIELD,
    DecisionRecord,
    decision_index_key,
    decision_stream_key,
    idempotency_key,
)
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import packed_command
from serving.decisions_redis import DecisionRedis
from serving.orders import Claim

log = logging.getLogger(__name__)

#: Share of the stream's limit from which operators are warned.
ALARM_SHARE = 0.8

# One atomic step: answer what the claim made before, refuse at the limit, append, index, claim. Appending an id twice
# keeps the first.
_APPEND = b"""
if KEYS[3] then
  local claimed = redis.call('GET', KEYS[3])
  if claimed then return claimed end
end
local length = redis.call('XLEN', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then return length end
if length >= tonumber(ARGV[1]) then return -1 end
local entry = redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[3])
redis.call('SET', KEYS[2], entry)
if KEYS[3] then redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5]) end
return length + 1
"""
_CLAIM_MILLISECONDS = 24 * 3_600_000


def _nowhere(_decision_id: str) -> DecisionRecord | None:
    """There is no archive."""
    return None


def unwatched(_entries: int, _limit: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision to keep, and the claim that it answers, if its caller made one."""

    record: DecisionRecord
    claim: Claim | None = None


class DecisionLog(Protocol):
    """Port: keeps decisions before they are answered."""

    def append(self, entries: Sequence[Entry]) -> list[DecisionRecord | CreditError]:
        """Keep decisions; when this returns, killing any of our processes loses nothing.

        Returns:
            For each entry its record, or the earlier one of the same claim; DecisionLogFullError when the log took it
            no more, IdempotencyConflictError when the claim was made with another request.

        Raises:
            StoreUnavailableError: the log did not take them in time.
        """
        ...

    def claimed(self, claim: Claim) -> DecisionRecord | None:
        """The decision that `claim` made before, or None.

        Raises:
            IdempotencyConflictError: it was made with another request.
            StoreUnavailableError: the log does not answer.
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
        archived: finds a decision that the stream holds no more.
        watch: told entries and limit whenever they become known.
    """

    def __init__(
        self,
        settings: RedisSettings,
        project: str,
        limit: int,
        breaker: CircuitBreaker | None = None,
        *,
        archived: Callable[[str], DecisionRecord | None] = _nowhere,
        watch: Callable[[int, int], None] = unwatched,
    ) -> None:
        self._redis = DecisionRedis(settings, project, breaker)
        self._project = project
        self._stream = decision_stream_key(project).encode()
        self._limit = limit
        self._alarm = _Alarm(limit)
        self._archived = archived
        self._watch = watch

    def append(self, entries: Sequence[Entry]) -> list[DecisionRecord | CreditError]:
        """Append each record with its index and claim in one atomic call, all in one exchange."""
        commands = [self._append_command(entry) for entry in entries]
        answers = self._redis.asked(commands)
        return [self._kept(entry, answer) for entry, answer in zip(entries, answers, strict=True)]

    def claimed(self, claim: Claim) -> DecisionRecord | None:
        """The decision that `claim` made before, or None."""
        stored = self._redis.told(b"GET", self._claim_key(claim))
        return None if stored is None else self._earlier(claim, stored)

    def find(self, decision_id: str) -> DecisionRecord | None:
        """The record of `decision_id`, from the stream, else from the archive; None if neither holds it.

        Raises:
            StoreUnavailableError: stream or archive does not answer.
            DataError: it is stored in a form that is not understood.
        """
        entry_id = self._redis.told(b"GET", self._index_key(decision_id))
        entries = self._redis.told(b"XRANGE", self._stream, entry_id, entry_id) if entry_id else None
        if not entries:  # never there, or archived: what leaves the stream is in the archive before
            return self._archived(decision_id)
        (_, (_, stored, *_)), *_ = entries
        try:
            return DecisionRecord.model_validate_json(stored)
        except ValidationError as error:
            raise DataError(f"decision {decision_id} is stored in a form that is not understood") from error

    def ping(self) -> None:
        """Raise StoreUnavailableError unless the log answers."""
        self._watch(int(self._redis.told(b"XLEN", self._stream)), self._limit)

    def close(self) -> None:
        """Release connections."""
        self._redis.close()

    def _index_key(self, decision_id: str) -> bytes:
        return decision_index_key(self._project, decision_id).encode()

    def _claim_key(self, claim: Claim) -> bytes:
        return idempotency_key(self._project, claim.digest).encode()

    def _append_command(self, entry: Entry) -> bytes:
        record, claim = entry.record, entry.claim
        keys = [self._stream, self._index_key(record.decision_id)]
        values = [b"%d" % self._limit, RECORD_FIELD.encode(), record.model_dump_json().encode()]
        if claim is not None:
            keys.append(self._claim_key(claim))
            values += [f"{claim.fingerprint} {record.decision_id}".encode(), b"%d" % _CLAIM_MILLISECONDS]
        # The whole script each time: Redis knows it by its text, also right after a failover.
        return packed_command(b"EVAL", _APPEND, b"%d" % len(keys), *keys, *values)

    def _kept(self, entry: Entry, answer: Any) -> DecisionRecord | CreditError:
        if isinstance(answer, bytes) and entry.claim is not None:
            try:
                return self._earlier(entry.claim, answer)
            except (IdempotencyConflictError, DataError) as error:
                return error
        if int(answer) < 0:
            self._alarm.full()
            self._watch(self._limit, self._limit)
            return DecisionLogFullError(
                f"the decision log holds {self._limit} decisions that are not archived yet: run the archiver"
            )
        self._alarm.watch(int(answer))
        self._watch(int(answer), self._limit)
        return entry.record

    def _earlier(self, claim: Claim, stored: bytes) -> DecisionRecord:
        fingerprint, _, decision_id = stored.decode().partition(" ")
        if fingerprint != claim.fingerprint:
            raise IdempotencyConflictError("this Idempotency-Key came before with another request: use a new one")
        record = self.find(decision_id)
        if record is None:
            raise DataError(f"decision {decision_id} of this Idempotency-Key is neither in the log nor in the archive")
        return record


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
