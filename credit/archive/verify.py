"""Walks a chain from its first file to its head and says where it breaks."""

import json
from collections.abc import Callable, Sequence

from credit.archive.archive import Archive
from credit.archive.chain import GENESIS, ChainedRecord, Head, day_of, link
from credit.archive.segments import Segment, segments
from credit.errors import DataError
from credit.schemas.features import Frozen


class Break(Frozen):
    """Where a chain does not hold; `sequence` is of the first record in doubt."""

    file: str
    sequence: int
    problem: str


class Verification(Frozen):
    """What a walk found.

    `first` is above 1 where the oldest files were removed; `noted` tells whether a hash noted earlier is in the chain.
    """

    stream: str
    files: int
    records: int
    first: int
    head: Head
    noted: bool | None = None
    broken: Break | None = None

    @property
    def ok(self) -> bool:
        """Whether the chain holds."""
        return self.broken is None


class _BrokenError(Exception):
    def __init__(self, found: Break) -> None:
        self.found = found
        super().__init__(found.problem)


def verify(archive: Archive, noted: str | None = None, on_file: Callable[[int], None] = lambda _: None) -> Verification:
    """Walk the chain.

    Args:
        archive: whose files to read.
        noted: a hash that a head of this chain had earlier.
        on_file: told how many records each file gave.
    """
    try:
        head = archive.head()
    except DataError as error:
        broken = Break(file=str(archive.folder), sequence=0, problem=str(error))
        return Verification(stream=archive.name, files=0, records=0, first=0, head=Head(), broken=broken)
    counted = [segment for segment in segments(archive.folder) if segment.first <= head.sequence]
    walk, found = _Walk(head, noted), None
    try:
        for segment in counted:
            on_file(walk.take(segment))
        walk.finish(str(archive.folder))
    except _BrokenError as error:
        found = error.found
    return Verification(
        stream=archive.name,
        files=len(counted),
        records=walk.records,
        first=counted[0].first if counted else 0,
        head=head,
        noted=None if noted is None else walk.met or noted == head.hash,
        broken=found,
    )


class _Walk:
    """The state of a walk: how far the chain holds."""

    def __init__(self, head: Head, noted: str | None) -> None:
        self._head = head
        self._noted = noted
        self._hash: str | None = None
        self._start = GENESIS
        self._sequence = 0
        self._hashes: dict[int, str] = {}
        self.records = 0
        self.met = False

    def take(self, segment: Segment) -> int:
        """Walk through one file; how many records it added."""
        before = self.records
        try:
            rows = [row for row in segment.rows() if row.sequence <= self._head.sequence]
        except DataError as error:
            raise self._broken(segment, str(error)) from error
        self._expect_neighbour(segment, rows)
        if self._hash is None and segment.first > 1:  # older files were removed: the oldest left says what it follows
            self._start = self._previous(segment)
        for row in rows:
            self._take(segment, row)
        self._hashes = {row.sequence: row.hash for row in rows}
        return self.records - before

    def finish(self, folder: str) -> None:
        """Compare the end with the head."""
        if (self._sequence, self._hash or GENESIS) != (self._head.sequence, self._head.hash):
            problem = f"the head says {self._head.sequence} records, the files end at {self._sequence}"
            if self._sequence == self._head.sequence:
                problem = "the hash of the last record is not the head's"
            raise _BrokenError(Break(file=folder, sequence=self._sequence + 1, problem=problem))

    def _expect_neighbour(self, segment: Segment, rows: Sequence[ChainedRecord]) -> None:
        if not rows or rows[0].sequence != segment.first:
            raise self._broken(segment, "the file does not begin with the record that its name says")
        if self._hash is not None and segment.first > self._sequence + 1:
            raise self._broken(segment, f"records {self._sequence + 1} to {segment.first - 1} are missing")

    def _previous(self, segment: Segment) -> str:
        try:
            return segment.previous()
        except DataError as error:
            raise self._broken(segment, str(error)) from error

    def _take(self, segment: Segment, row: ChainedRecord) -> None:
        if row.sequence <= self._sequence:  # a file that was taken up after a cut may overlap the next
            if self._hashes.get(row.sequence, row.hash) != row.hash:
                raise self._broken(segment, f"record {row.sequence} is there twice, and differs")
            return
        if row.sequence != self._sequence + 1 and self._hash is not None:
            raise self._broken(segment, f"record {self._sequence + 1} is missing")
        self._check(segment, row)
        self.records, self._sequence, self._hash = self.records + 1, row.sequence, row.hash
        self.met = self.met or row.hash == self._noted

    def _check(self, segment: Segment, row: ChainedRecord) -> None:
        previous = self._hash or self._start
        if row.hash != link(previous, row.record.text):
            raise self._broken(segment, "the record's hash does not follow from the one before it", row.sequence)
        if problem := _contradiction(segment, row):
            raise self._broken(segment, problem, row.sequence)

    def _broken(self, segment: Segment, problem: str, sequence: int | None = None) -> _BrokenError:
        return _BrokenError(Break(file=str(segment.file), sequence=sequence or self._sequence + 1, problem=problem))


def _contradiction(segment: Segment, row: ChainedRecord) -> str:
    """In what a record's columns differ from the record itself, which the hash covers; '' if in nothing."""
    content = json.loads(row.record.text)
    if row.record.record_id not in (content.get("event_id"), content["decision_id"]):
        return "the record has another id than its row says"
    if (row.record.decision_id, row.record.client_id) != (content["decision_id"], content["client_id"]):
        return "the record is about another decision or client than its row says"
    if day_of(row.record.record_id) != segment.day:
        return "the record lies in the folder of another day"
    return ""
