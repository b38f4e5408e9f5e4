"""A real PostgreSQL server for tests: an own cluster in a temporary folder, killed and restarted on purpose."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from redis_servers import free_port

PASSWORD = "s3cret-of-the-study"


class PostgresServer:
    """`postgres` on 127.0.0.1 with a password; as root it runs as `nobody`, because it refuses root."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._data, self.port = folder, folder / "data", free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._as |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        options = ["--username=study", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        subprocess.run([binary("initdb"), "-D", str(self._data), *options], check=True, capture_output=True, **self._as)

    @property
    def url(self) -> str:
        """SQLAlchemy address with the password."""
        return f"postgresql+psycopg://study:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [binary("postgres"), "-D", str(self._data), "-p", str(self.port), "-k", str(self._folder)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as)
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url.replace("+psycopg", "")).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop at once, clients or not; nothing that was committed is lost."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)


def binary(name: str) -> str:
    """A program of PostgreSQL: on PATH, or where Debian keeps it."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(debian[-1]) if debian else None)
    assert found, "no PostgreSQL server: install the package postgresql"
    return found


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="credit-postgres-", dir="/tmp"))
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
