"""What the records tell: what came of every attempt, and which versions were champion one after the other."""

from collections.abc import Sequence
from typing import Literal

from credit.schemas.features import Frozen
from training.governance.records import Journal, Record
from training.registry import Registry

Outcome = Literal["done", "refused", "failed", "interrupted"]


class Entry(Frozen):
    """A record and what came of it. `interrupted`: it was announced and the alias did not move, or not yet."""

    record: Record
    outcome: Outcome


def history(registry: Registry) -> list[Entry]:
    """Every attempt to change the champion, oldest first.

    Raises:
        RegistryError: MLflow cannot be reached.
    """
    records = Journal(registry.connection).records()
    champion = registry.champion()
    return settle(records, champion.version if champion else None)


def settle(records: Sequence[Record], champion: str | None) -> list[Entry]:
    """What came of each record.

    Each record tells the champion that it found. So a record that was never closed has moved the alias exactly if the
    next one, or the registry now, found the champion that it announced. A failed one may have found an outdated one.

    Args:
        records: oldest first.
        champion: version number now.
    """
    after = champion
    entries: list[Entry] = []
    for record in reversed(records):
        entries.append(Entry(record=record, outcome=_outcome(record, after)))
        if record.status != "FAILED":
            after = record.from_version
    return entries[::-1]


def succession(entries: Sequence[Entry], champion: str) -> list[str]:
    """Versions that were champion, from the first to `champion`, which is last; steps back are taken out.

    Args:
        entries: oldest first.
        champion: version number now, which may have been set by hand.
    """
    line: list[str] = []
    for record in (entry.record for entry in entries if entry.outcome == "done"):
        if record.from_version is not None:
            line = _reached(line, record.from_version)
        line = _reached(line, record.to_version) if record.action == "rolled_back" else [*line, record.to_version]
    return _reached(line, champion)


def _reached(line: list[str], version: str) -> list[str]:
    """The line up to `version`, which is added where the records do not know it."""
    if version not in line:
        return [*line, version]
    return line[: len(line) - line[::-1].index(version)]


def _outcome(record: Record, champion_after: str | None) -> Outcome:
    if not record.moves:
        return "refused"
    if record.status == "FINISHED":
        return "done"
    if record.status == "RUNNING":
        return "done" if champion_after == record.to_version else "interrupted"
    return "failed"
