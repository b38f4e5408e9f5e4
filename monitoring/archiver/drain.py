"""Moves records from streams to archives, in order, each once, whatever is killed when.

The order makes it safe: files, then the archive's head, then the removal from the stream. What was cut short is found
at the stream's start again, and the archive takes each record id once.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from credit.archive.archive import Archive
from credit.archive.place import Place
from credit.errors import StoreUnavailableError
from monitoring.archiver.lock import Lock
from monitoring.archiver.stream import Connection, Stream, StreamKind


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is archived: it has so many records, or its oldest is so many seconds old."""

    records: int
    seconds: float


class Drain:
    """One stream with its archive.

    Args:
        connection: to the decision log.
        kind: of the stream.
        root: of the archives.
        lock: held while this works.
        limits: of a batch.
    """

    def __init__(self, connection: Connection, kind: StreamKind, root: Place, lock: Lock, limits: BatchLimits) -> None:
        self.archive = Archive(root, kind.name)
        self.stream = Stream(connection, kind)
        self._lock = lock
        self._limits = limits

    def recover(self) -> None:
        """Take up what an archiver that was cut short left in the archive.

        Raises:
            StoreUnavailableError: the archive does not answer.
            DataError: it holds files that do not belong to its chain.
        """
        self._in_archive(self.archive.recover)

    def step(self, now: Callable[[], float] = time.time, *, all_of_it: bool = False) -> int:
        """Archive one batch if it is due; how many entries left the stream.

        Args:
            now: seconds since 1970.
            all_of_it: also what is neither enough nor old enough.

        Raises:
            StoreUnavailableError: stream or archive does not answer; nothing is lost, repeat.
            LockLostError: another archiver may be at work.
            DataError: an entry holds no record, or the archive is damaged.
        """
        if not (all_of_it or self._is_due(now())):
            return 0
        records = self.stream.read(self._limits.records)
        if not records:
            return 0
        self._in_archive(lambda: self.archive.append(records, self._lock.check))
        self.stream.remove(records, self._lock.key, self._lock.token)
        return len(records)

    def _is_due(self, now: float) -> bool:
        if self.stream.length() >= self._limits.records:
            return True
        oldest = self.stream.oldest()
        return oldest is not None and now - oldest >= self._limits.seconds

    def _in_archive(self, call: Callable[[], object]) -> None:
        try:
            call()
        except OSError as error:
            raise StoreUnavailableError(f"the archive {self.archive.folder} does not answer: {error}") from error


def drain_all(drains: Sequence[Drain], on_batch: Callable[[str, int], None]) -> None:
    """Archive everything that the streams hold now.

    Raises:
        CreditError: see `Drain.step`.
    """
    for drain in drains:
        left = drain.stream.length()
        while left > 0 and (moved := drain.step(all_of_it=True)):
            left -= moved
            on_batch(drain.archive.name, moved)


def drain_until(
    stop: threading.Event, drains: Sequence[Drain], poll_seconds: float, on_batch: Callable[[str, int], None]
) -> None:
    """Archive batches as they become due, until told to stop.

    Raises:
        CreditError: see `Drain.step`.
    """
    while not stop.is_set():
        moved = 0
        for drain in drains:
            if count := drain.step():
                on_batch(drain.archive.name, count)
                moved += count
        if not moved:
            stop.wait(poll_seconds)
