"""Progress of long steps: a bar with counts for people, one log line with time and peak memory for the record."""

import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

log = logging.getLogger(__name__)


class Step:
    """A running step; `advance` moves its bar."""

    def __init__(self, progress: Progress, name: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=total)

    def advance(self, count: int = 1) -> None:
        """Count `count` more units as done."""
        self._progress.advance(self._task, count)

    def describe(self, name: str) -> None:
        """Show another text beside the bar."""
        self._progress.update(self._task, description=name)

    def set_total(self, total: int) -> None:
        """Tell the number of units once it is known."""
        self._progress.update(self._task, total=total)


@contextmanager
def step(name: str, total: int | None = None) -> Iterator[Step]:
    """Show `name` with a progress bar while the block runs, then log its seconds and this process's peak memory.

    The bar goes to standard error, so that `--json` output stays clean; without a terminal only the log line shows.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    started = time.perf_counter()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Step(progress, name, total)
    log.info("%s: %.1f s, peak memory %.0f MiB", name, time.perf_counter() - started, peak_memory_mib())


def peak_memory_mib() -> float:
    """Peak resident memory of this process in MiB."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    # Not ru_maxrss: that begins with the size of the process that started this one.
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024
