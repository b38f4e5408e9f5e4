"""What becomes of decisions: outcomes and people's overrides, in a stream beside the decisions.

Beside the stream each decision has a list of its events by kind. It stays when the stream's entry is archived, because
a second outcome, months later, has to meet the first.
"""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from credit.errors import DataError, DecisionLogFullError, OutcomeConflictError
from credit.schemas.decision import (
    EVENT_SEPARATOR,
    RECORD_FIELD,
    DecisionEvent,
    OutcomeEvent,
    OverrideEvent,
    event_stream_key,
    events_key,
    said,
)
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.connection import RedisSettings
from serving.decisions_redis import DecisionRedis

# One atomic step: answer the event that is there where only one may be, or the last one where it says the same; refuse
# at the limit; append. See `kept_event` for what the list holds.
_APPEND: Final = b"""
local held = redis.call('LINDEX', KEYS[2], ARGV[5] == 'one' and 0 or -1)
if held and (ARGV[5] == 'one' or string.sub(held, 1, #ARGV[4]) == ARGV[4]) then return held end
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return -1 end
redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[3])
redis.call('RPUSH', KEYS[2], ARGV[4] .. ARGV[3])
return 0
"""
_EVENT: Final[TypeAdapter[DecisionEvent]] = TypeAdapter(DecisionEvent)


class RedisDecisionEvents:
    """Events on a Redis stream; thread-safe.

    Args:
        settings: address and timeouts.
        project: prefix of the keys.
        limit: entries that the stream may hold until they are archived.
    """

    def __init__(
        self, settings: RedisSettings, project: str, limit: int, breaker: CircuitBreaker | None = None
    ) -> None:
        self._redis = DecisionRedis(settings, project, breaker)
        self._project = project
        self._stream = event_stream_key(project).encode()
        self._limit = limit

    def add_outcome(self, event: OutcomeEvent) -> OutcomeEvent:
        """Keep the outcome of a decision; answers the earlier event where it was told before.

        Raises:
            OutcomeConflictError: another outcome or date was told before.
            DecisionLogFullError: the stream is at its limit.
            StoreUnavailableError: Redis does not answer in time.
        """
        kept = self._append(event, "one")
        assert isinstance(kept, OutcomeEvent)
        if said(kept) != said(event):
            raise OutcomeConflictError(
                f"this decision has the outcome {kept.outcome.value} of {kept.date.isoformat()} already"
            )
        return kept

    def add_override(self, event: OverrideEvent) -> OverrideEvent:
        """Keep a person's override; answers the last event where it says the same.

        Raises:
            DecisionLogFullError: the stream is at its limit.
            StoreUnavailableError: Redis does not answer in time.
        """
        kept = self._append(event, "many")
        assert isinstance(kept, OverrideEvent)
        return kept

    def of(self, decision_id: str) -> tuple[OutcomeEvent | None, tuple[OverrideEvent, ...]]:
        """Outcome and overrides of a decision.

        Raises:
            StoreUnavailableError: Redis does not answer in time.
            DataError: one is stored in a form that is not understood.
        """
        outcomes = [event for event in self._held("outcome", decision_id) if isinstance(event, OutcomeEvent)]
        overrides = [event for event in self._held("override", decision_id) if isinstance(event, OverrideEvent)]
        return (outcomes[0] if outcomes else None), tuple(overrides)

    def close(self) -> None:
        """Release connections."""
        self._redis.close()

    def _append(self, event: DecisionEvent, how_many: str) -> DecisionEvent:
        keys = [self._stream, self._key(event.kind, event.decision_id)]
        values = [RECORD_FIELD.encode(), event.model_dump_json().encode(), said(event), how_many.encode()]
        answer = self._redis.told(b"EVAL", _APPEND, b"%d" % len(keys), *keys, b"%d" % self._limit, *values)
        if isinstance(answer, bytes):
            return _event(answer)
        if int(answer) < 0:
            raise DecisionLogFullError(f"{self._limit} events of decisions are not archived yet: run the archiver")
        return event

    def _held(self, kind: str, decision_id: str) -> Sequence[DecisionEvent]:
        held: Any = self._redis.told(b"LRANGE", self._key(kind, decision_id), b"0", b"-1")
        return [_event(each) for each in held]

    def _key(self, kind: str, decision_id: str) -> bytes:
        return events_key(self._project, kind, decision_id).encode()


def _event(stored: bytes) -> DecisionEvent:
    try:
        return _EVENT.validate_json(stored.partition(EVENT_SEPARATOR)[2])
    except ValidationError as error:
        raise DataError("an event of a decision is stored in a form that is not understood") from error
