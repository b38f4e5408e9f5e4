"""Work in a process of its own, so that its time and its peak memory are its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finished:
    """What a process answered (JSON on standard output), how long it took, and how much memory it had at most."""

    answer: Any
    seconds: float
    peak_rss_mib: float


def run(module: str, arguments: Sequence[str], env: Mapping[str, str]) -> Finished:
    """Run `python -m module arguments`; its progress stays visible.

    The peak begins with the size of this process, so that this one has to be small.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", module, *arguments]
    print("$", module, *arguments, file=sys.stderr, flush=True)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **env}, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}; its message stands above")
    answer = json.loads(said) if said.strip() else None
    return Finished(answer, time.perf_counter() - started, usage.ru_maxrss / 1024)


def creditctl(arguments: Sequence[str], env: Mapping[str, str]) -> Finished:
    """Run one `creditctl` command with --json."""
    return run("credit", [*arguments, "--json"], env)
