"""A circuit breaker: after a few failures in a row, fail at once instead of waiting for a timeout each time."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed: all calls pass. Open: none. After `retry_after` seconds one call probes; its result closes or reopens.

    Thread-safe.
    """

    def __init__(
        self, failures: int = 3, retry_after: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._retry_after = retry_after
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe = 0.0

    def allows(self) -> bool:
        """Whether the caller may try; a caller that may must report `succeeded` or `failed`."""
        if self._failures < self._limit:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._next_probe:
                return False
            # A probe that never reports must not keep the breaker open for ever.
            self._next_probe = now + self._retry_after
            return True

    def succeeded(self) -> None:
        """The call went well: close."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        """The call failed: open when that was one too many."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._limit:
                self._next_probe = self._monotonic() + self._retry_after
