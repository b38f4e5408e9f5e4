"""The thread that follows the model registry."""

import logging
import threading
from collections.abc import Callable

from credit.errors import CreditError
from serving.model_store import ModelStore

log = logging.getLogger(__name__)


def _nothing() -> None:
    """Nobody wants to know."""


class ModelWatcher:
    """A thread that boots the store, then refreshes it every `seconds`, or when asked, until stopped.

    Args:
        store: what it refreshes.
        seconds: pause between two looks.
        on_settled: called once, after the first look that went well.
    """

    def __init__(self, store: ModelStore, seconds: float, on_settled: Callable[[], None] = _nothing) -> None:
        self._store = store
        self._seconds = seconds
        self._on_settled: Callable[[], None] | None = on_settled
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-watcher", daemon=True)
        self._complaint: str | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        self._store.looks.close()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        self._store.boot()
        while not self._stop.is_set():
            self._look()
            self._store.looks.wait(self._seconds)

    def _look(self) -> None:
        asked = self._store.looks.take()
        try:
            changed = self._refreshed()
        except Exception as error:
            for wanted in asked:
                wanted.set_exception(error)
        else:
            for wanted in asked:
                wanted.set_result(changed)

    def _refreshed(self) -> bool:
        try:
            changed = self._store.refresh()
        except CreditError as error:
            self._store.explain(error)
            self._complain(str(error))
            raise
        except Exception:
            log.exception("following the model registry failed; the current model stays")
            raise
        self._complaint = None
        if self._on_settled is not None:
            self._on_settled()
            self._on_settled = None
        return changed

    def _complain(self, text: str) -> None:
        """Log a lasting problem once, not at every look."""
        if text != self._complaint:
            log.warning("the model stays as it is: %s", text)
            self._complaint = text
