"""One chain of records in a folder: appended to by one archiver, read by anybody.

Files come first, then the head, which makes them count: a file beyond the head is one whose archiver was cut short. The
chain follows from the order of the stream alone, so that whoever takes up such a file goes on as the first would have.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Final

from pydantic import ValidationError

from credit.archive.chain import ChainedRecord, Head, NewRecord, chained, day_of, head_of, link
from credit.archive.place import Place
from credit.archive.segments import Segment, day_folder, segments, write_segment
from credit.errors import DataError, StepError

HEAD_FILE: Final = "_head.json"


def _unguarded() -> None:
    """Nobody else writes."""


class Archive:
    """The archive of one stream.

    Attributes:
        name: of the stream.
        folder: where its files lie.
    """

    def __init__(self, root: Place, name: str) -> None:
        self.name = name
        self.folder = root / name
        self._head: Head | None = None

    def head(self) -> Head:
        """The end of the chain.

        Raises:
            DataError: the file that tells it is malformed.
        """
        content = (self.folder / HEAD_FILE).read_bytes()
        try:
            return Head() if content is None else Head.model_validate_json(content)
        except ValidationError as error:
            raise DataError(
                f"{self.folder / HEAD_FILE} is malformed: `creditctl decisions verify` tells more"
            ) from error

    def recover(self) -> Head:
        """Take up what an archiver that was cut short left behind; to be called before `append`.

        Raises:
            DataError: a file beyond the head does not continue the chain.
        """
        self._remove_scratch()
        stored = head = self.head()
        for segment in segments(self.folder):
            if segment.last > head.sequence:
                head = _continued(head, segment)
        if head != stored:
            self._write_head(head)
        self._head = head
        return head

    def append(self, records: Sequence[NewRecord], guard: Callable[[], None] = _unguarded) -> int:
        """Archive the records that are not archived yet, each once; how many those were.

        When this returns they are on the disk, or in object storage.

        Args:
            records: in the stream's order.
            guard: called before the new files count; raises if this archiver must not go on.

        Raises:
            StepError: another archiver has written here.
        """
        head = self.head()
        if head != self._head:
            raise StepError(f"another archiver has written to {self.folder}: let only one run, and start it again")
        new = chained(head, self._unarchived(records))
        if not new:
            return 0
        previous = head.hash
        for _, run in groupby(new, key=lambda each: day_of(each.record.record_id)):
            records_of_day = [*run]
            write_segment(self.folder, records_of_day, previous)
            previous = records_of_day[-1].hash
        guard()
        self._write_head(head_of(new[-1]))
        self._head = head_of(new[-1])
        return len(new)

    def find(self, record_id: str) -> ChainedRecord | None:
        """The record of an id, or None.

        Raises:
            DataError: a file is damaged.
        """
        try:
            day = day_of(record_id)
        except DataError:  # no id of ours
            return None
        for segment in segments(day_folder(self.folder, day)):
            if segment.may_hold(record_id) and (found := segment.find(record_id)) is not None:
                return found
        return None

    def ids(self, first_day: date = date.min, last_day: date = date.max) -> Iterator[str]:
        """Ids of the records of these days, without reading the records; one may come twice.

        Raises:
            DataError: a file is damaged.
        """
        end = self.head().sequence
        for segment in segments(self.folder):
            if segment.first <= end and first_day <= segment.day <= last_day:
                yield from segment.ids()

    def rows(self, after: int = 0, first_day: date = date.min, last_day: date = date.max) -> Iterator[ChainedRecord]:
        """Records in the chain's order, behind sequence `after`, of these days.

        Raises:
            DataError: a file is damaged.
        """
        end, position = self.head().sequence, after
        for segment in segments(self.folder):
            if segment.last <= position or segment.first > end or not first_day <= segment.day <= last_day:
                continue
            for row in segment.rows():
                if position < row.sequence <= end:  # a file that was taken up may overlap the next
                    position = row.sequence
                    yield row

    def _unarchived(self, records: Sequence[NewRecord]) -> list[NewRecord]:
        once: dict[str, NewRecord] = {}
        for record in records:
            once.setdefault(record.record_id, record)
        for day in {day_of(record_id) for record_id in once}:
            for segment in segments(day_folder(self.folder, day)):
                if any(segment.may_hold(record_id) for record_id in once):
                    for record_id in segment.ids():
                        once.pop(record_id, None)
        return [*once.values()]

    def _write_head(self, head: Head) -> None:
        (self.folder / HEAD_FILE).write_bytes(head.model_dump_json().encode(), durable=True)

    def _remove_scratch(self) -> None:
        for folder in {file.parent for file in self.folder.files() if file.parent.name.startswith(".")}:
            folder.remove()


def _continued(head: Head, segment: Segment) -> Head:
    for row in segment.rows():
        if row.sequence <= head.sequence:
            continue
        if row.sequence != head.sequence + 1 or row.hash != link(head.hash, row.record.text):
            raise DataError(
                f"{segment.file} does not continue the chain at record {head.sequence + 1}: "
                "`creditctl decisions verify` tells more; move the file away before archiving goes on"
            )
        head = head_of(row)
    return head
