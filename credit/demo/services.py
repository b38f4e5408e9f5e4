"""The demo's two services: a private Redis and the scoring service."""

import json
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from credit.demo import fingerprints, processes
from credit.demo.processes import Recorded
from credit.demo.steps import creditctl, environment
from credit.errors import StepError
from credit.files import write_text
from credit.platform import Home

HOST = "127.0.0.1"
READY_TIMEOUT_SECONDS = 180.0
#: The service looks for a new champion every ten seconds.
SWAP_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """The demo's scoring service in one platform folder."""

    home: Home

    @property
    def record(self) -> Path:
        """Where the running process is recorded."""
        return self.home.run / "serve.json"

    @property
    def log_file(self) -> Path:
        """The service's output."""
        return self.home.run / "serve.log"

    def running(self) -> Recorded | None:
        """The recorded process, if it runs."""
        return Recorded.read(self.record)

    def check_port(self, port: int) -> None:
        """Fail early when something else holds the port.

        Raises:
            StepError: the port is taken by another program.
        """
        mine = self.running()
        if (mine is None or mine.port != port) and not processes.port_is_free(port, HOST):
            raise StepError(
                f"port {port} is taken by another program: stop that program or choose a port, e.g. make demo PORT=8010"
            )

    def ensure(self, port: int) -> bool:
        """Serve on `port`: reuse the demo's own running service, or start it. Returns whether it was reused.

        Raises:
            StepError: the service ended or did not become ready; tells where its log is.
        """
        wanted = fingerprints.digest(*(fingerprints.of_package(name) for name in ("credit", "serving", "feature_repo")))
        mine = self.running()
        if mine is not None and mine.port == port and mine.fingerprint == wanted and ready(port):
            return True
        if mine is not None:
            processes.stop(mine, self.record)
        started = processes.start(
            creditctl("serve", "--host", HOST, "--port", str(port)),
            environment(self.home),
            self.record,
            self.log_file,
            port,
            wanted,
        )
        self._wait_until_ready(started)
        return False

    def stop(self) -> bool:
        """Stop the service if it runs; returns whether it did."""
        mine = self.running()
        if mine is not None:
            processes.stop(mine, self.record)
        return mine is not None

    def _wait_until_ready(self, started: Recorded) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not ready(started.port):
            if processes.start_time(started.pid) != started.started:
                raise StepError(f"step 'serve' failed: the service ended. {self._last_words()}")
            if time.monotonic() > deadline:
                raise StepError(
                    f"step 'serve' failed: not ready in {READY_TIMEOUT_SECONDS:.0f} s. {self._last_words()}"
                )
            time.sleep(0.2)

    def _last_words(self) -> str:
        lines = self.log_file.read_text("utf-8", errors="replace").splitlines()[-15:]
        return f"The end of {self.log_file}:\n" + "\n".join(lines)


def ready(port: int) -> bool:
    """Whether /readyz on this machine answers 200."""
    return bool(served_model(port))


def served_model(port: int) -> str:
    """The id of the model bundle that the service on `port` answers with; '' unless it is ready."""
    try:
        with urlopen(f"http://{HOST}:{port}/readyz", timeout=2) as answer:
            return str(json.load(answer)["model"]["bundle"])
    except (URLError, HTTPException, OSError, ValueError, KeyError, TypeError):
        return ""


def wait_for_other_model(port: int, before: str) -> None:
    """Wait until the running service has swapped the model `before` for a newly trained one.

    Raises:
        StepError: it has not done so in time.
    """
    deadline = time.monotonic() + SWAP_TIMEOUT_SECONDS
    while served_model(port) in ("", before):
        if time.monotonic() > deadline:
            raise StepError(f"step 'serve' failed: no new model after {SWAP_TIMEOUT_SECONDS:.0f} s; see its log")
        time.sleep(0.2)


def start_redis(home: Home) -> str:
    """Start the private Redis, or find it running; tell the platform's settings where it is. Returns its URL."""
    port = ("--port", str(_known_redis_port(home))) if _known_redis_port(home) else ()
    answer = _redis(home, "start", *port, "--json")
    url = str(json.loads(answer)["url"])
    addresses = [f"{reader}_REDIS_URL={url}" for reader in ("FEATURES", "SERVING", "MONITORING")]
    lines = [*addresses, "SERVING_AUTHENTICATION=off"]
    write_text(home.environment_file, "\n".join(lines) + "\n")
    return url


def redis_is_new(home: Home) -> bool:
    """Whether the private Redis has kept nothing: then what was written to it is gone."""
    return not any((home.run / "redis").glob("appendonlydir/*"))


def stop_redis(home: Home) -> None:
    """Stop the private Redis of this platform folder."""
    _redis(home, "stop")


def _known_redis_port(home: Home) -> int | None:
    """The port of an earlier start: a running service knows that one."""
    if not home.environment_file.exists():
        return None
    for line in home.environment_file.read_text("utf-8").splitlines():
        if line.startswith("FEATURES_REDIS_URL="):
            return int(line.rpartition(":")[2].partition("/")[0])
    return None


def _redis(home: Home, *arguments: str) -> str:
    finished = subprocess.run(
        creditctl("redis", *arguments), env=environment(home), stdout=subprocess.PIPE, text=True, check=False
    )
    if finished.returncode != 0:
        raise StepError(f"step 'redis' failed: creditctl redis {' '.join(arguments)} ended with {finished.returncode}")
    return finished.stdout
