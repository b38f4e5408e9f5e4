"""All recorded decisions, in order: those in the archive, then those still in the stream."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from credit.archive.archive import Archive
from credit.archive.chain import day_of
from credit.errors import DataError, StoreUnavailableError
from credit.schemas.decision import RECORD_FIELD, DecisionRecord, decision_stream_key
from serving.decisions_archive import DECISIONS, decision_of
from serving.decisions_redis import DecisionRedis
from serving.settings import ServingSettings

_PAGE: Final = b"200"


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as it is stored: the text is the one that was acknowledged."""

    text: str

    @property
    def record(self) -> DecisionRecord:
        """The record.

        Raises:
            DataError: its form is not understood.
        """
        return decision_of(self.text)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which decisions are wanted: of these UTC days, of this client."""

    first_day: date = date.min
    last_day: date = date.max
    client_id: int | None = None


def recorded_decisions(settings: ServingSettings, wanted: Selection | None = None) -> Iterator[StoredDecision]:
    """The decisions that match, in the order in which they were recorded, each once, also while an archiver works.

    Raises:
        StoreUnavailableError: stream or archive does not answer.
        DataError: the archive is damaged.
    """
    wanted = wanted or Selection()
    archive = Archive(settings.archive, DECISIONS)
    with closing(DecisionRedis(settings.decision_log, settings.feature_project)) as redis:
        stream = decision_stream_key(settings.feature_project).encode()
        try:
            yield from _recorded(archive, redis, stream, wanted)
        except OSError as error:
            raise StoreUnavailableError(f"the archive of decisions does not answer: {error}") from error


def decisions_of_file(path: Path) -> Iterator[StoredDecision]:
    """The decisions of a file that `creditctl decisions export` wrote.

    Raises:
        DataError: it is no such file.
    """
    try:
        if path.suffix == ".parquet":
            yield from map(StoredDecision, _records_of_parquet(path))
        else:
            with path.open(encoding="utf-8") as lines:
                yield from (StoredDecision(line) for line in lines if line.strip())
    except (OSError, pa.ArrowException, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no file that `creditctl decisions export` wrote: {error}") from error


def _records_of_parquet(path: Path) -> Iterator[str]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(1_000, columns=["record"]):
            yield from batch.column("record").to_pylist()


def _recorded(archive: Archive, redis: DecisionRedis, stream: bytes, wanted: Selection) -> Iterator[StoredDecision]:
    """First the archive, then page by page the stream; back to the archive where it has grown meanwhile."""
    position, start = 0, b"-"
    seen: set[str] = set()  # yielded from the stream: no need of them when they are archived
    while True:
        end = archive.head().sequence
        grown = archive.rows(position, wanted.first_day, wanted.last_day) if end > position else ()
        for row in grown:
            fits = wanted.client_id in (None, row.record.client_id) and row.record.record_id not in seen
            if row.sequence <= end and fits:
                yield StoredDecision(row.record.text)
        position = end
        page: Any = redis.told(b"XRANGE", stream, start, b"+", b"COUNT", _PAGE)
        if archive.head().sequence != end:  # what was archived since may have left the stream before it was read
            continue
        for entry, fields in page:
            start = b"(" + entry
            text = _text(entry, fields)
            decision_id, client_id = _identity(text)
            seen.add(decision_id)
            if wanted.client_id in (None, client_id) and wanted.first_day <= day_of(decision_id) <= wanted.last_day:
                yield StoredDecision(text)
        if not page:
            return


def _text(entry: bytes, fields: list[bytes]) -> str:
    held = dict(zip(fields[::2], fields[1::2], strict=True)).get(RECORD_FIELD.encode())
    if held is None:
        raise DataError(f"stream entry {entry.decode()} holds no decision")
    return held.decode()


def _identity(text: str) -> tuple[str, int]:
    try:
        content = json.loads(text)
        return str(content["decision_id"]), int(content["client_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("a decision in the stream is stored in a form that is not understood") from error
