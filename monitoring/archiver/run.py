"""Runs the archiver: wires settings, holds the lock, goes on after stores were away."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Final

from credit.archive.chain import Head
from credit.errors import CreditError, StoreUnavailableError
from credit.schemas.features import Frozen
from monitoring.archiver.drain import BatchLimits, Drain, drain_all, drain_until
from monitoring.archiver.lock import Lock, LockLostError
from monitoring.archiver.stream import STREAMS, Connection
from monitoring.settings import MonitoringSettings

log = logging.getLogger(__name__)
_PASSING: Final = (StoreUnavailableError, LockLostError)


class ArchiveReport(Frozen):
    """What a run moved, by stream, and where the chains end."""

    archive: str
    archived: dict[str, int]
    heads: dict[str, Head]


def waiting(settings: MonitoringSettings) -> int:
    """Records that wait to be archived.

    Raises:
        StoreUnavailableError: the decision log does not answer.
    """
    with closing(Connection(settings.decision_log, settings.feature_project)) as connection:
        return sum(drain.stream.length() for drain in _drains(settings, connection, _lock(settings, connection)))


def archive_decisions(
    settings: MonitoringSettings, stop: threading.Event, *, once: bool, on_batch: Callable[[str, int], None]
) -> ArchiveReport:
    """Archive what the streams hold, once or until told to stop.

    Until stopped, a store that is away is waited for; once, it is an error.

    Raises:
        StepError: another archiver is at work.
        StoreUnavailableError: a store is away.
        DataError: a stream or the archive holds what cannot be understood.
    """
    moved: Counter[str] = Counter()

    def count(name: str, records: int) -> None:
        moved[name] += records
        on_batch(name, records)

    with closing(Connection(settings.decision_log, settings.feature_project)) as connection:
        lock = _lock(settings, connection)
        drains = _drains(settings, connection, lock)
        while True:
            try:
                with lock.held(stop):
                    _work(settings, stop, drains, once, count)
                break
            except _PASSING as error:
                if once:
                    raise
                _complain(error)
                if stop.wait(settings.archive_poll_seconds):
                    break
    return ArchiveReport(
        archive=str(settings.archive),
        archived={drain.archive.name: moved[drain.archive.name] for drain in drains},
        heads={drain.archive.name: drain.archive.head() for drain in drains},
    )


def _work(
    settings: MonitoringSettings,
    stop: threading.Event,
    drains: list[Drain],
    once: bool,
    count: Callable[[str, int], None],
) -> None:
    for drain in drains:
        drain.recover()
    if once:
        drain_all(drains, count)
    else:
        drain_until(stop, drains, settings.archive_poll_seconds, count)


def _complain(error: CreditError) -> None:
    log.error("archiving waits: %s", error)


def _lock(settings: MonitoringSettings, connection: Connection) -> Lock:
    key = f"{{{settings.feature_project}}}:archiver".encode()
    return Lock(connection.told, key, settings.archive_lock_seconds)


def _drains(settings: MonitoringSettings, connection: Connection, lock: Lock) -> list[Drain]:
    limits = BatchLimits(settings.archive_batch_records, settings.archive_batch_seconds)
    return [Drain(connection, kind, settings.archive, lock, limits) for kind in STREAMS]
