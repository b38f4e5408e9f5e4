"""Reads decisions and what became of them, archived or not."""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from credit.archive.archive import Archive
from credit.errors import DataError
from credit.schemas.decision import DecisionEvent, DecisionRecord, OutcomeEvent
from monitoring.archiver.stream import DECISIONS, EVENTS, Connection, Stream
from monitoring.served.window import Window, stratified
from monitoring.settings import MonitoringSettings

_EVENT: TypeAdapter[DecisionEvent] = TypeAdapter(DecisionEvent)


@dataclass(frozen=True, slots=True)
class Sample:
    """Sampled decisions in the order of their ids, and how many the window holds in all."""

    records: tuple[DecisionRecord, ...]
    total: int


class ServedDecisions:
    """Decisions and their events of one project.

    Args:
        archive: of decisions.
        events: archive of what became of them.
        connection: to the streams that are not archived yet.
    """

    def __init__(self, archive: Archive, events: Archive, connection: Connection) -> None:
        self._archive = archive
        self._events = events
        self._connection = connection

    def sample(self, window: Window, most: int, seed: int = 0) -> Sample:
        """At most about `most` decisions of the window, of each day its share, the same ones every time.

        Raises:
            StoreUnavailableError: stream or archive does not answer.
            DataError: a record or a file is damaged.
        """
        ids = set(self._ids(window))
        chosen = ids if len(ids) <= most else stratified(sorted(ids), most, seed)
        records = {record.decision_id: record for record in self._records(window, chosen)}
        return Sample(tuple(records[one] for one in sorted(records)), len(ids))

    def all(self, window: Window) -> Iterator[DecisionRecord]:
        """Every decision of the window, each once, in no certain order; in bounded memory but for the ids.

        Raises:
            StoreUnavailableError, DataError: see `sample`.
        """
        yield from self._records(window, None)

    def outcomes(self) -> dict[str, OutcomeEvent]:
        """The outcome of each decision that has one, by decision id.

        Raises:
            StoreUnavailableError, DataError: see `sample`.
        """
        texts = [row.record.text for row in self._events.rows()]
        texts += [new.text for new in Stream(self._connection, EVENTS).entries()]
        events = (_event(text) for text in texts)
        return {event.decision_id: event for event in events if isinstance(event, OutcomeEvent)}

    def _ids(self, window: Window) -> Iterator[str]:
        for one in self._archive.ids(window.first_day, window.last_day):
            if window.holds(one):
                yield one
        for new in Stream(self._connection, DECISIONS).entries():
            if window.holds(new.record_id):
                yield new.record_id

    def _records(self, window: Window, wanted: Collection[str] | None) -> Iterator[DecisionRecord]:
        seen: set[str] = set()
        for record_id, text in self._texts(window):
            if record_id not in seen and window.holds(record_id) and (wanted is None or record_id in wanted):
                seen.add(record_id)
                yield _record(text)

    def _texts(self, window: Window) -> Iterator[tuple[str, str]]:
        for row in self._archive.rows(first_day=window.first_day, last_day=window.last_day):
            yield row.record.record_id, row.record.text
        for new in Stream(self._connection, DECISIONS).entries():
            yield new.record_id, new.text


@contextmanager
def served_decisions(settings: MonitoringSettings) -> Iterator[ServedDecisions]:
    """`ServedDecisions` as the settings say, while the block runs."""
    place = settings.archive
    with closing(Connection(settings.decision_log, settings.feature_project)) as connection:
        yield ServedDecisions(Archive(place, DECISIONS.name), Archive(place, EVENTS.name), connection)


def _record(text: str) -> DecisionRecord:
    try:
        return DecisionRecord.model_validate_json(text)
    except ValidationError as error:
        raise DataError(
            f"a decision is recorded in a form that is not understood: {error.errors()[0]['loc']}"
        ) from None


def _event(text: str) -> DecisionEvent:
    try:
        return _EVENT.validate_json(text)
    except ValidationError:
        raise DataError("an event of a decision is recorded in a form that is not understood") from None
