"""One archiver at a time: a lock in the decision log's Redis that its holder renews and that a dead one loses."""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from credit.errors import CreditError, StepError, StoreUnavailableError

log = logging.getLogger(__name__)

_RENEW: Final = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE: Final = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
#: The holder renews this many times before the lock would be free.
_RENEWALS: Final = 3


class LockLostError(CreditError):
    """The lock ran out while it was held."""

    code = "lock_lost"

    def __init__(self) -> None:
        super().__init__("the archiver's lock ran out, because Redis or this process stood still: another may hold it")


class Lock:
    """The lock of the archiver.

    Args:
        told: asks Redis.
        key: of the lock.
        seconds: after which it is free again unless it was renewed.
    """

    def __init__(self, told: Callable[..., Any], key: bytes, seconds: float) -> None:
        self.key = key
        self.token = secrets.token_hex(16).encode()
        self._told = told
        self._seconds = seconds
        self._milliseconds = b"%d" % int(seconds * 1000)

    @contextmanager
    def held(self, stop: threading.Event) -> Iterator[None]:
        """Hold the lock while the block runs, renewed in the background.

        Raises:
            StepError: another archiver holds it and is alive.
            StoreUnavailableError: Redis does not answer.
        """
        self._acquire(stop)
        done = threading.Event()
        renewal = threading.Thread(target=self._keep, args=(done,), name="archiver-lock", daemon=True)
        renewal.start()
        try:
            yield
        finally:
            done.set()
            renewal.join()
            self._release()

    def check(self) -> None:
        """Renew now.

        Raises:
            LockLostError: somebody else may hold it.
            StoreUnavailableError: Redis does not answer.
        """
        if not int(self._told(b"EVAL", _RENEW, b"1", self.key, self.token, self._milliseconds)):
            raise LockLostError

    def _acquire(self, stop: threading.Event) -> None:
        """Take the lock, or wait until that of a dead holder runs out; a living one renews it, which shows."""
        left = float("inf")
        while not self._told(b"SET", self.key, self.token, b"NX", b"PX", self._milliseconds):
            before, left = left, float(self._told(b"PTTL", self.key))
            if before == float("inf"):
                log.warning("the lock is taken: waiting up to %g s to see whether its holder lives", self._seconds)
            if left > before or stop.is_set():
                raise StepError(
                    "another archiver is at work on this decision log: only one may run; stop that one first"
                )
            stop.wait(min(self._seconds / 20, 0.5))

    def _keep(self, done: threading.Event) -> None:
        while not done.wait(self._seconds / _RENEWALS):
            try:
                self.check()
            except LockLostError:
                return  # the next removal says so
            except StoreUnavailableError:
                continue

    def _release(self) -> None:
        try:
            self._told(b"EVAL", _RELEASE, b"1", self.key, self.token)
        except StoreUnavailableError:
            return  # it runs out by itself
