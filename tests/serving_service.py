"""The service as users get it: `creditctl serve` on Ray Serve behind HAProxy, with real Redis and real MLflow."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
from redis_servers import RedisProcess
from serving_world import World, write_clients

CLIENTS = 40


class Service:
    """A running `creditctl serve` with all that it needs; it knows CLIENTS clients from FIRST_CLIENT on."""

    def __init__(self, folder: Path, redis: RedisProcess, port: int) -> None:
        self.redis = redis
        self.world = World(folder / "world")
        self.version = self.world.registry.register(self.world.bundle(0))
        with redis.client() as client:
            self.views = write_clients(client, self.world.contract, CLIENTS)
        self.port = port
        self.home = folder / "home"
        self.log = folder / "serve.log"
        self.process = self._start()
        self.http = httpx.Client(base_url=self.url, timeout=20)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether it has not been stopped."""
        return self.process.poll() is None

    def environment(self) -> dict[str, str]:
        """The environment that it was started with."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SERVING_"))}
        return inherited | self.world.environment(self.redis.url) | {"CREDIT_HOME": str(self.home)}

    def score(self, body=None, **options) -> httpx.Response:
        """`POST /v1/score`."""
        return self.http.post("/v1/score", **({"json": body} if body is not None else {}), **options)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def _start(self) -> subprocess.Popen:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                creditctl_serve("--port", str(self.port)), stdout=log, stderr=log, env=self.environment()
            )
        deadline = time.monotonic() + 200
        while "ready: " not in self.log.read_text():
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)
        return process


def creditctl_serve(*arguments: str) -> list[str]:
    """The command line of a service."""
    return [sys.executable, "-m", "credit", "serve", *arguments]
