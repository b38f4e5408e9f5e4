"""Looks at the registry before their time: somebody asks, the watcher looks and tells."""

import threading
from concurrent.futures import Future

from credit.errors import StepError


class Looks:
    """A mailbox between those who want the registry to be looked at now and the one thread that does; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[Future[bool]] = []
        self._wake = threading.Event()
        self._closed = False

    def ask(self) -> "Future[bool]":
        """Want a look that begins after this call; the result is what `ModelStore.refresh` answers or raises.

        Raises:
            StepError: nobody looks any more.
        """
        wanted: Future[bool] = Future()
        with self._lock:
            if self._closed:
                raise StepError("the models are not followed any more: this process ends")
            self._asked.append(wanted)
        self._wake.set()
        return wanted

    def take(self) -> "list[Future[bool]]":
        """Those who wait for the look that begins now; whoever gave up waiting is left out."""
        self._wake.clear()
        with self._lock:
            asked, self._asked = self._asked, []
        return [wanted for wanted in asked if wanted.set_running_or_notify_cancel()]

    def wait(self, seconds: float) -> None:
        """Return when somebody asks, but after `seconds` at the latest."""
        self._wake.wait(seconds)

    def close(self) -> None:
        """Nobody looks any more: whoever waits is told, and the thread that looks need not wait."""
        with self._lock:
            self._closed = True
        for wanted in self.take():
            wanted.set_exception(StepError("the models are not followed any more: this process ends"))
        self._wake.set()
