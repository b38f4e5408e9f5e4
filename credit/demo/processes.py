"""Processes that the demo starts and, only these, stops."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from credit.errors import StepError
from credit.files import write_text


@dataclass(frozen=True, slots=True)
class Recorded:
    """A started process: the start time tells it from another that got the same id later."""

    pid: int
    started: str
    port: int
    fingerprint: str

    @classmethod
    def read(cls, path: Path) -> "Recorded | None":
        """The process recorded at `path`, if it is still running."""
        try:
            recorded = cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return recorded if start_time(recorded.pid) == recorded.started else None


def start(
    command: Sequence[str], env: Mapping[str, str], record: Path, log_file: Path, port: int, fingerprint: str
) -> Recorded:
    """Start a background process in a session of its own and record it."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as output:
        process = subprocess.Popen(
            command, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    process.returncode = 0  # it outlives us on purpose: no warning when this object goes
    recorded = Recorded(process.pid, start_time(process.pid), port, fingerprint)
    write_text(record, json.dumps(asdict(recorded)))
    return recorded


def stop(recorded: Recorded, record: Path, timeout: float = 30.0) -> None:
    """Ask the process to end, wait, and end its whole session if it does not."""
    os.kill(recorded.pid, signal.SIGTERM)
    if not _gone(recorded, timeout):
        os.killpg(recorded.pid, signal.SIGKILL)
        if not _gone(recorded, timeout):
            raise StepError(f"process {recorded.pid} does not end; end it by hand and repeat")
    record.unlink(missing_ok=True)


def start_time(pid: int) -> str:
    """The kernel's start tick of a running process, '' if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _gone(recorded: Recorded, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if start_time(recorded.pid) != recorded.started:
            return True
        time.sleep(0.1)
    return False
