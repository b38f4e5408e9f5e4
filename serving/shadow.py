"""The challenger in shadow: scores a sample of decisions after they were made, and only records what it finds."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from credit.errors import CreditError
from credit.schemas.decision import DecisionRecord
from credit.schemas.features import ViewBatch
from credit.schemas.shadow import ShadowRecord
from credit.scoring import Scored
from serving.loaded_model import LoadedModel, in_share
from serving.shadow_log import ShadowLog
from serving.shadow_metrics import ShadowMetrics

log = logging.getLogger(__name__)

#: Takes the challenger, a decision, the rows it was made from, and which of them is the client's.
Offer = Callable[[LoadedModel, DecisionRecord, Mapping[str, ViewBatch], int], None]
#: A decision rests this long before it is scored again, so that its own answer is on its way by then.
_REST_SECONDS: Final = 0.05


def no_shadow(_challenger: LoadedModel, _record: DecisionRecord, _views: Mapping[str, ViewBatch], _row: int) -> None:
    """Scores nothing in shadow."""


@dataclass(frozen=True, slots=True)
class ShadowBudget:
    """What shadow scoring may take.

    Attributes:
        share: share of decisions, chosen by a hash of their ids.
        cpu_share: share of one CPU; after each piece of work the thread sleeps for as long as that demands.
        waiting: decisions that may wait for their turn; one more is dropped.
    """

    share: float
    cpu_share: float
    waiting: int


@dataclass(frozen=True, slots=True)
class _Task:
    challenger: LoadedModel
    record: DecisionRecord
    views: Mapping[str, ViewBatch]
    offered: float = field(default_factory=time.monotonic)


class Shadow:
    """One thread that scores what `offer` leaves it; `offer` is for any thread, never waits and never raises.

    Args:
        records: keeps what is found.
        metrics: what is measured.
        budget: what it may take.
    """

    def __init__(self, records: ShadowLog, metrics: ShadowMetrics, budget: ShadowBudget) -> None:
        self._records = records
        self._metrics = metrics
        self._budget = budget
        self._waiting: queue.Queue[_Task | None] = queue.Queue(budget.waiting)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._complaint: tuple[str, str] | None = None

    def offer(self, challenger: LoadedModel, record: DecisionRecord, views: Mapping[str, ViewBatch], row: int) -> None:
        """Let a decision be scored by the challenger later, if it is in the sample and the queue has room."""
        if not in_share(f"shadow {record.decision_id}", self._budget.share):
            return
        rows = {name: batch.row(row) for name, batch in views.items()}
        try:
            self._waiting.put_nowait(_Task(challenger, record, rows))
        except queue.Full:
            self._metrics.dropped(challenger.version.version)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, whatever still waits, and release connections."""
        self._stop.set()
        with suppress(queue.Full):  # then the thread is not waiting for more
            self._waiting.put_nowait(None)
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        self._records.close()
        self._metrics.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            task = self._waiting.get()
            if task is None:
                return
            self._stop.wait(max(0.0, task.offered + _REST_SECONDS - time.monotonic()))
            if not self._stop.is_set():
                used = self._timed(task)
                del task  # its rows and its model need not wait for the next one
                self._stop.wait(used * (1 / self._budget.cpu_share - 1))

    def _timed(self, task: _Task) -> float:
        """Do one task; returns the CPU seconds it took."""
        started = time.thread_time()
        version = task.challenger.version.version
        try:
            record = shadow_record(task.challenger, task.record, task.views)
            self._records.append(record)
        except Exception as error:  # whatever is wrong with a challenger, nobody else may feel it
            self._metrics.failed(version)
            self._complain(version, error)
        else:
            self._metrics.scored(record)
        return time.thread_time() - started

    def _complain(self, version: str, error: Exception) -> None:
        """Log a kind of failure once, without its text, which may tell about a client."""
        complaint = (version, error.code if isinstance(error, CreditError) else type(error).__name__)
        if complaint != self._complaint:
            log.warning("the challenger, version %s, fails in shadow: %s; it goes on", *complaint)
            self._complaint = complaint


def shadow_record(challenger: LoadedModel, decided: DecisionRecord, views: Mapping[str, ViewBatch]) -> ShadowRecord:
    """Score a decision again, from the rows it was made from if the challenger needs no others.

    Args:
        challenger: scores.
        decided: the decision.
        views: its rows, of this one client.

    Raises:
        CreditError: the challenger does not score this client, or its own rows cannot be read.
    """
    own_rows = any(
        view.name not in views or views[view.name].spec.columns != view.columns
        for view in challenger.bundle.contract.views
    )
    clients = [decided.client_id]
    rows = challenger.reader.read(clients) if own_rows else views
    (scored,) = challenger.scorer.score(rows, clients, overrides=[decided.overrides], reasons=False)
    if not isinstance(scored, Scored):
        raise scored
    return ShadowRecord(
        decision_id=decided.decision_id,
        shadowed_at=datetime.now(UTC),
        model=challenger.version,
        decided_by=decided.model,
        margin=scored.margin,
        probability=scored.probability,
        points=scored.points,
        decision=scored.decision,
        agrees=scored.decision is decided.decision,
        difference=scored.probability - decided.probability,
        own_rows=own_rows,
    )
