"""A private one-node Ray: a process tree of our own, known by the private folder that each of its processes names.

Ray is started as a process with every agent port given, and not by `ray.init`: without the ports Ray 2.60 gives its
agents 15 s to choose them and its node fails on a busy machine (ray issue 65983).
"""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from credit.errors import StepError

_OBJECT_STORE_BYTES = 100 * 1024**2
_START_SECONDS = 180.0
_ENDING_SECONDS = 10.0
_STARTED = "Ray runtime started"
_PR_SET_PDEATHSIG = 1


def set_environment(defaults: Mapping[str, str]) -> None:
    """Take `defaults` for variables that are not set. Ray reads its switches when it is first imported."""
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def ray_environment(folder: Path) -> dict[str, str]:
    """Ray's switches for one local node whose files are in `folder`."""
    stats_port, metrics_port, fallback_port = free_ports(3)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # The first two are open on every interface, whatever the host says.
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_port),
        "RAY_SERVE_HAPROXY_NBTHREAD": "2",
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "2",
        # Each request would pass through a Python process once more, to be counted.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "p" / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "p" / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "p" / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder / "p"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "p" / "server-state"),
        # One node: no load balancer needs time to forget a replica.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        # A proxy that is slow to start on a busy machine would be replaced by one that is no faster.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        # Whoever can speak to Ray can run code.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


class RayNode:
    """The head node of a Ray of its own; call `wait` before joining `address`."""

    def __init__(self, folder: Path, cpus: int) -> None:
        self._folder = folder
        self._log = folder / "node.log"
        port, *agents = free_ports(6)
        self.address = f"127.0.0.1:{port}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                _command(folder, cpus, port, agents), stdout=log, stderr=log, preexec_fn=_end_with_parent
            )

    def wait(self) -> None:
        """Return once the node runs.

        Raises:
            StepError: it ended, or took too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        while _STARTED not in (text := self._log.read_text("utf-8", errors="replace")):
            if self._process.poll() is not None:
                raise StepError(f"Ray did not start: {text[-2000:]}")
            if time.monotonic() > deadline:
                raise StepError(f"Ray did not start within {_START_SECONDS:.0f} s")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the node with all its processes."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        end_processes_of(str(self._folder))
        self._process.wait()


def end_processes_of(marker: str) -> None:
    """End what has `marker`, our private folder, on its command line or in its environment."""
    deadline = time.monotonic() + _ENDING_SECONDS
    while remaining := processes_of(marker):
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for process_id in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, number)
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _command(folder: Path, cpus: int, port: int, agents: list[int]) -> list[str]:
    grpc_port, listen_port, metrics_port, runtime_env_port, client_port = agents
    options = {
        "port": port,
        "temp-dir": folder,
        "num-cpus": cpus,
        "object-store-memory": _OBJECT_STORE_BYTES,
        "include-dashboard": "false",
        "ray-client-server-port": client_port,
        "min-worker-port": 0,
        "max-worker-port": 0,
        "dashboard-agent-grpc-port": grpc_port,
        "dashboard-agent-listen-port": listen_port,
        "metrics-export-port": metrics_port,
        "runtime-env-agent-port": runtime_env_port,
    }
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--no-monitor"]
    return [*start, *(f"--{name}={value}" for name, value in options.items())]


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone, however that happened."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def processes_of(marker: str) -> list[int]:
    """Ids of the processes, ours excepted, that have `marker` on their command line or in their environment."""
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if int(entry.name) != os.getpid() and _is_marked(entry, marker.encode())
    ]


def _is_marked(entry: Path, marker: bytes) -> bool:
    try:
        text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        state = (entry / "stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # it has ended meanwhile, or is not ours
        return False
    return marker in text and state != "Z"
