import json
import os
import socket
import sys

import pytest

from credit.demo import processes
from credit.demo.processes import Recorded
from credit.demo.services import Service
from credit.errors import StepError
from credit.platform import Home

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)",
]


def start(tmp_path, command):
    return processes.start(command, os.environ, tmp_path / "p.json", tmp_path / "p.log", 1, "f")


def test_a_started_process_is_found_and_stopped(tmp_path):
    record = tmp_path / "p.json"
    started = start(tmp_path, SLEEP)
    assert Recorded.read(record) == started
    processes.stop(started, record)
    assert Recorded.read(record) is None
    assert not record.exists()


def test_a_process_that_ignores_the_request_is_ended(tmp_path):
    started = start(tmp_path, STUBBORN)
    while not (tmp_path / "p.log").read_text():
        pass
    processes.stop(started, tmp_path / "p.json", timeout=0.5)
    assert processes.start_time(started.pid) != started.started


def test_another_process_with_the_same_id_is_not_ours(tmp_path):
    record = tmp_path / "p.json"
    record.write_text(json.dumps({"pid": os.getpid(), "started": "1", "port": 1, "fingerprint": ""}))
    assert Recorded.read(record) is None
    record.write_text("not json")
    assert Recorded.read(record) is None


def test_a_port_taken_by_something_else_is_a_clear_error(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StepError, match=f"port {port} is taken"):
            Service(Home(tmp_path)).check_port(port)
    Service(Home(tmp_path)).check_port(port)
