"""Archived decisions, as serving reads them."""

from credit.archive.archive import Archive
from credit.archive.place import Place
from credit.errors import DataError, StoreUnavailableError
from credit.schemas.decision import DecisionRecord

#: Name of the archive of each stream.
DECISIONS = "decisions"
EVENTS = "events"


def archived_decision(root: Place, decision_id: str) -> DecisionRecord | None:
    """The record of a decision that was archived, or None.

    Raises:
        StoreUnavailableError: the archive does not answer.
        DataError: a file of it is damaged, or holds a form that is not understood.
    """
    try:
        found = Archive(root, DECISIONS).find(decision_id)
    except OSError as error:
        raise StoreUnavailableError(f"the archive of decisions does not answer: {error}") from error
    return None if found is None else decision_of(found.record.text)


def decision_of(text: str | bytes) -> DecisionRecord:
    """A stored record.

    Raises:
        DataError: it is in a form that is not understood.
    """
    try:
        return DecisionRecord.model_validate_json(text)
    except ValueError as error:
        raise DataError("a decision is stored in a form that this version does not understand") from error
