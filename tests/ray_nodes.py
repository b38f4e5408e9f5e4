"""Ray clusters for tests: real nodes as processes on 127.0.0.1, with a token, killed on purpose."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from serving.ray_node import end_processes_of, free_ports

ROOT = Path(__file__).parents[1]
_STARTED = "Ray runtime started"


class Node:
    """One node: `ray start --block` and all its processes."""

    def __init__(self, folder: Path, name: str, environment: Mapping[str, str], *options: str) -> None:
        self._log = folder / f"{name}.log"
        grpc, listen, metrics, runtime_env = free_ports(4)
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *options]
        command += ["--node-ip-address=127.0.0.1", "--object-store-memory=100000000", "--memory=4000000000"]
        command += [f"--dashboard-agent-grpc-port={grpc}", f"--dashboard-agent-listen-port={listen}"]
        command += [f"--metrics-export-port={metrics}", f"--runtime-env-agent-port={runtime_env}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, env=dict(environment), stdout=log, stderr=log)
        self._wait()

    def kill(self) -> None:
        """`kill -9` for every process of the node at once, as when its machine dies."""
        every = [*psutil.Process(self._process.pid).children(recursive=True), psutil.Process(self._process.pid)]
        for process in every:
            process.suspend()
        for process in every:
            process.kill()
        self._process.wait(10)

    def collect(self) -> None:
        """Wait for the end of a node that was told to end."""
        self._process.wait(30)

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while _STARTED not in (text := self._log.read_text("utf-8", errors="replace")):
            assert self._process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.1)


class Cluster:
    """A head node, and worker nodes by `add`."""

    def __init__(self, folder: Path, cpus: int, extra: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            **extra,
            "TEST_CLUSTER": str(folder),  # all its processes are known by it
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            # A dead node is noticed within seconds.
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "500",
            "RAY_health_check_failure_threshold": "3",
        }
        port, client_port = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        options = [f"--port={port}", f"--ray-client-server-port={client_port}", f"--temp-dir={folder}"]
        options += ["--min-worker-port=0", "--max-worker-port=0", "--no-monitor", "--include-dashboard=false"]
        self._nodes = [Node(folder, "head", self.environment, "--head", f"--num-cpus={cpus}", *options)]

    def add(self, cpus: int) -> Node:
        """One more node."""
        options = [f"--address={self.address}", f"--num-cpus={cpus}", "--min-worker-port=0", "--max-worker-port=0"]
        node = Node(self.folder, f"node-{len(self._nodes)}", self.environment, *options)
        self._nodes.append(node)
        return node

    def stop(self) -> None:
        """End every process of the cluster, commands that use it included."""
        end_processes_of(str(self.folder))
        for node in self._nodes:
            node.collect()


@contextmanager
def ray_cluster(cpus: int = 1, **extra: str) -> Iterator[Cluster]:
    """A cluster whose nodes and tasks have the environment variables `extra`; ended when the block ends."""
    # Unix socket paths hold 107 bytes and Ray adds some 70.
    folder = Path(tempfile.mkdtemp(prefix="credit-ray-", dir="/tmp"))
    cluster = Cluster(folder, cpus, extra)
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
