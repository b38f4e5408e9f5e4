"""Real Redis servers for tests: started on a free port, killed, paused and restarted on purpose."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: an authority, and a certificate that it signed for 127.0.0.1, with its key."""

    ca: Path
    cert: Path
    key: Path


class RedisProcess:
    """One `redis-server` with an append-only file below `folder`; survives `kill` followed by `start`.

    `tls` makes it speak TLS only, with clients that show a certificate; `options` are further lines of its
    configuration; `mode` is an argument such as `--sentinel`.
    """

    def __init__(
        self,
        folder: Path,
        password: str | None = None,
        port: int | None = None,
        tls: TlsFiles | None = None,
        options: Mapping[str, object] | None = None,
        mode: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.password = password
        self.port = free_port() if port is None else port
        self.tls = tls
        self._options = dict(options or {})
        self._mode = mode
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address with the password, if any."""
        user = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis{'s' if self.tls else ''}://{user}127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A client for looking inside, without retries; the caller closes it."""
        options: dict[str, object] = {"retry": Retry(NoBackoff(), 0)}
        if self.tls:
            files = {"ssl_ca_certs": self.tls.ca, "ssl_certfile": self.tls.cert, "ssl_keyfile": self.tls.key}
            options |= {name: str(file) for name, file in files.items()} | {"ssl_check_hostname": False}
        return redis.Redis.from_url(self.url, **options)

    def start(self) -> None:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        binary = shutil.which("redis-server")
        assert binary, "redis-server is not on PATH"
        config = self.folder / "redis.conf"
        if not config.exists():  # sentinels and cluster nodes keep what they learn in files of their own
            config.write_text("".join(f"{name} {value}\n" for name, value in self._configuration()))
        log = (self.folder / "redis.log").open("ab")
        with log:
            self._process = subprocess.Popen([binary, str(config), *self._mode], stdout=log, stderr=log)
        self._wait()

    def _configuration(self) -> Iterator[tuple[str, object]]:
        yield from {"port": 0 if self.tls else self.port, "bind": "127.0.0.1", "dir": self.folder}.items()
        if self.tls:
            yield from {"tls-port": self.port, "tls-ca-cert-file": self.tls.ca}.items()
            yield from {"tls-cert-file": self.tls.cert, "tls-key-file": self.tls.key}.items()
        if "--sentinel" not in self._mode:
            yield from {"appendonly": "yes", "appendfsync": "always", "save": '""'}.items()
            yield "maxmemory-policy", "noeviction"
        if self.password:
            yield "requirepass", f'"{self.password}"'
        yield from self._options.items()

    def kill(self) -> None:
        """`kill -9`."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)

    def pause(self) -> None:
        """Stop answering without closing connections."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again after `pause`."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the process, in whatever state it is."""
        if self._process is None or self._process.poll() is not None:
            return
        self._signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait(10)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    assert time.monotonic() < deadline, (self.folder / "redis.log").read_text()
                    time.sleep(0.02)


@contextmanager
def redis_server(folder: Path, password: str | None = None) -> Iterator[RedisProcess]:
    """A running server on a free port; ended when the block ends."""
    server = RedisProcess(folder, password)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
