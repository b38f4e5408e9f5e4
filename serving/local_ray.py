"""A private Ray on this machine for `creditctl serve`: never joins another cluster, ends with all its processes.

Ray reads its switches from the environment when it is first imported, so this module prepares the environment and
imports Ray only after that.
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from credit.errors import StepError
from serving.app import build_app
from serving.settings import ServingSettings

log = logging.getLogger(__name__)

_OBJECT_STORE_BYTES = 100 * 1024**2
#: Logical CPUs beside the replicas, for Serve's controller and proxy.
_SPARE_CPUS = 2
_START_ATTEMPTS = 2
_LOOK_SECONDS = 5.0
_ENDING_SECONDS = 5.0


@contextmanager
def running_service(settings: ServingSettings) -> Iterator[None]:
    """Serve while the block runs, on a Ray of our own; then end it with all its processes.

    Raises:
        StepError: Ray or the application does not start; names where their logs are kept.
    """
    # Unix socket paths hold 107 bytes and Ray adds some 70: the folder's own path must be short.
    folder = Path(tempfile.mkdtemp(prefix="credit-serve-", dir="/tmp"))
    try:
        _set_environment(_environment(folder))
        _start(settings, folder)
        yield
    except Exception as error:
        kept = _keep_logs(folder, settings.log_folder)
        raise StepError(f"serving failed: {error}{kept}") from error
    finally:
        _stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def watch() -> None:
    """Return only when the service has ended by itself.

    Raises:
        StepError: Ray or the application is gone.
    """
    from ray import serve
    from ray.serve.schema import ApplicationStatus

    while True:
        time.sleep(_LOOK_SECONDS)
        try:
            applications = serve.status().applications
        except Exception as error:
            raise StepError(f"the local Ray has ended: {error}") from error
        if any(found.status == ApplicationStatus.DEPLOY_FAILED for found in applications.values()):
            raise StepError("the serving application failed")


def _environment(folder: Path) -> dict[str, str]:
    """Defaults of Ray's switches; a variable that is already set wins."""
    stats_port, metrics_port, fallback_port = _free_ports(3)
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
        # Whoever can speak to Ray can run code.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        # A proxy that is slow to start on a busy machine would be replaced by one that is no faster.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


def _set_environment(defaults: Mapping[str, str]) -> None:
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _start(settings: ServingSettings, folder: Path) -> None:
    from ray import serve

    _start_ray(settings.replicas + _SPARE_CPUS, folder)
    logging_config = {"enable_access_log": False, "log_level": "WARNING"}
    serve.start(
        proxy_location="HeadOnly",
        http_options={
            "host": settings.host,
            "port": settings.port,
            # Our own limit answers first; this one is the backstop.
            "request_timeout_s": settings.request_timeout_seconds + 1,
        },
        logging_config=logging_config,
    )
    serve.run(build_app(settings), name="credit-scoring", route_prefix="/", logging_config=logging_config)


def _start_ray(cpus: int, folder: Path) -> None:
    """Start a node of our own; tried again, because Ray gives a busy machine no more than 30 s."""
    import ray

    for attempts_left in reversed(range(_START_ATTEMPTS)):
        try:
            ray.init(
                address="local",
                num_cpus=cpus,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                logging_level=logging.WARNING,
                _temp_dir=str(folder),
            )
            return
        except Exception as error:
            if not attempts_left:
                raise
            log.warning("Ray did not start: %s; trying again", error)
            ray.shutdown()
            _end_remaining(str(folder))


def _stop(folder: Path) -> None:
    import ray
    from ray import serve

    try:
        if ray.is_initialized():
            serve.shutdown()  # type: ignore[no-untyped-call]
    except Exception as error:
        log.warning("Ray Serve did not shut down in order: %s", error)
    finally:
        ray.shutdown()
        _end_remaining(str(folder))


def _keep_logs(folder: Path, target: Path | None) -> str:
    """Copy Ray's logs out of our folder; says where to."""
    logs = folder / "session_latest" / "logs"
    if target is None or not logs.is_dir():
        return ""
    kept = target / "ray"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(logs, kept, ignore_dangling_symlinks=True)
    return f"; Ray's logs are in {kept}"


def _end_remaining(marker: str) -> None:
    """End what still runs with our private folder on its command line or in its environment."""
    deadline = time.monotonic() + _ENDING_SECONDS
    number = signal.SIGTERM
    while remaining := _processes_of(marker):
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        for process_id in remaining:
            try:
                os.kill(process_id, number)
            except ProcessLookupError:
                continue
        time.sleep(0.2)


def _processes_of(marker: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            continue
        if marker.encode() in text and state != "Z":
            found.append(int(entry.name))
    return found


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def check_port_free(host: str, port: int) -> None:
    """Raise StepError unless a server could listen on `port`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StepError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port, or stop what uses it"
            ) from error
