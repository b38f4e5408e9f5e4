"""A decision's life after its answer: read, told how it ended, overridden by a person."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from credit.errors import UnknownDecisionError
from credit.schemas.decision import Decision, DecisionRecord, Outcome, OutcomeEvent, OverrideEvent
from serving.decision_ids import decision_id as new_event_id
from serving.decision_log import RedisDecisionLog
from serving.decisions_events import RedisDecisionEvents
from serving.orders import Asked
from serving.schemas.decisions import DecisionDetails, HumanDecision


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DecisionHistory:
    """What callers may know of and tell about recorded decisions; thread-safe.

    Args:
        log: finds decisions, archived ones too.
        events: outcomes and overrides.
        now: clock of events.
    """

    def __init__(
        self, log: RedisDecisionLog, events: RedisDecisionEvents, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._log = log
        self._events = events
        self._now = now

    def record(self, decision_id: str) -> DecisionRecord:
        """The record of a decision.

        Raises:
            UnknownDecisionError: there is none.
            StoreUnavailableError: log or archive does not answer.
        """
        found = self._log.find(decision_id)
        if found is None:
            raise UnknownDecisionError("no decision of this id was recorded")
        return found

    def details(self, decision_id: str) -> DecisionDetails:
        """The record with what became of the decision.

        Raises:
            UnknownDecisionError: there is none.
            StoreUnavailableError: log or archive does not answer.
        """
        record = self.record(decision_id)
        outcome, overrides = self._events.of(decision_id)
        return DecisionDetails(record=record, outcome=outcome, overrides=overrides)

    def today(self) -> date:
        """The day, which is the last that an outcome can have."""
        return self._now().date()

    def tell_outcome(self, record: DecisionRecord, outcome: Outcome, on: date, asked: Asked) -> OutcomeEvent:
        """Record how a decision ended; told again, it changes nothing.

        Raises:
            OutcomeConflictError: another outcome or date was told before.
            DecisionLogFullError: too many events wait to be archived.
            StoreUnavailableError: the log does not answer.
        """
        event = OutcomeEvent(
            event_id=new_event_id(),
            decision_id=record.decision_id,
            client_id=record.client_id,
            recorded_at=self._now(),
            request_id=asked.request_id,
            caller=asked.caller,
            outcome=outcome,
            date=on,
        )
        return self._events.add_outcome(event)

    def override(
        self, record: DecisionRecord, decision: HumanDecision, author: str, reason: str, asked: Asked
    ) -> OverrideEvent:
        """Record that a person decided; repeating the last one changes nothing.

        Raises:
            DecisionLogFullError: too many events wait to be archived.
            StoreUnavailableError: the log does not answer.
        """
        event = OverrideEvent(
            event_id=new_event_id(),
            decision_id=record.decision_id,
            client_id=record.client_id,
            recorded_at=self._now(),
            request_id=asked.request_id,
            caller=asked.caller,
            decision=Decision.APPROVED if decision == "approved" else Decision.REFUSED,
            author=author,
            reason=reason,
        )
        return self._events.add_override(event)

    def close(self) -> None:
        """Release connections."""
        self._log.close()
        self._events.close()
