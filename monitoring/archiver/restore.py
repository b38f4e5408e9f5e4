"""Puts what became of decisions back into Redis after Redis was lost: the lists by decision, from the archive."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from typing import Final

from pydantic import TypeAdapter, ValidationError

from credit.archive.archive import Archive
from credit.archive.chain import ChainedRecord
from credit.errors import DataError, StoreUnavailableError
from credit.schemas.decision import DecisionEvent, events_key, kept_event
from credit.schemas.features import Frozen
from monitoring.archiver.stream import EVENTS, Connection
from monitoring.settings import MonitoringSettings

_EVENT: Final[TypeAdapter[DecisionEvent]] = TypeAdapter(DecisionEvent)

# One atomic step for a decision: archived events first, then those that only Redis knows, which are newer.
_RESTORE: Final = b"""
local archived, list = {}, {}
for at = 1, #ARGV do archived[ARGV[at]] = true; list[at] = ARGV[at] end
for _, held in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if not archived[held] then list[#list + 1] = held end
end
redis.call('DEL', KEYS[1])
for _, event in ipairs(list) do redis.call('RPUSH', KEYS[1], event) end
return #list
"""


class RestoreReport(Frozen):
    """How many archived events were put back, about how many decisions."""

    events: int
    decisions: int


def restore_events(settings: MonitoringSettings, on_decision: Callable[[], None] = lambda: None) -> RestoreReport:
    """Put archived events back into the lists of their decisions; done twice, it changes nothing.

    Raises:
        StoreUnavailableError: Redis or the archive does not answer.
        DataError: the archive is damaged, or holds an event that is not understood.
    """
    by_key: defaultdict[str, list[bytes]] = defaultdict(list)
    decisions: set[str] = set()
    try:
        for row in Archive(settings.archive, EVENTS.name).rows():
            event = _event(row)
            decisions.add(event.decision_id)
            key = events_key(settings.feature_project, event.kind, event.decision_id)
            by_key[key].append(kept_event(event, row.record.text))
    except OSError as error:
        raise StoreUnavailableError(f"the archive {settings.archive} does not answer: {error}") from error
    with closing(Connection(settings.decision_log, settings.feature_project)) as connection:
        for key, events in by_key.items():
            connection.told(b"EVAL", _RESTORE, b"1", key.encode(), *events)
            on_decision()
    return RestoreReport(events=sum(map(len, by_key.values())), decisions=len(decisions))


def _event(row: ChainedRecord) -> DecisionEvent:
    try:
        return _EVENT.validate_json(row.record.text)
    except ValidationError as error:
        raise DataError(f"event {row.sequence} of the archive is in a form that this version does not know") from error
