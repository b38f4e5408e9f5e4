"""One build of a run at a time.

In a local folder the second build is refused, by a lock that ends with its process. Object storage has no locks: there
the last build to begin takes the run over, and an earlier one stops with an error before it publishes anything.
"""

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from credit.errors import StepError
from feature_repo.aggregates.manifest import RUNS
from feature_repo.storage import Location


class Claim:
    """The right to publish a run."""

    def __init__(self, run: str, mark: Location | None = None) -> None:
        self._run, self._mark, self._token = run, mark, secrets.token_hex(16).encode()
        if mark is not None:
            mark.write_bytes(self._token)

    def check(self) -> None:
        """Raise StepError if another build has taken the run over."""
        if self._mark is not None and self._mark.read_bytes() != self._token:
            raise StepError(f"another build of run {self._run} has begun and took it over; this one stops")


@contextmanager
def claimed(out: Location, run: str) -> Iterator[Claim]:
    """Hold a run while the block runs.

    Raises:
        StepError: another process on this machine builds it.
    """
    if not out.is_local:
        yield Claim(run, out / RUNS / f"{run}.claim")
        return
    folder = (out / RUNS).path
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{run}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StepError(f"run {run} is being built by another process: wait for it, or stop it first") from None
        yield Claim(run)
