"""`creditctl serve` on this machine: the application on a private Ray, started and ended as one."""

import logging
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from credit.errors import StepError
from serving.app import build_app
from serving.ray_node import RayNode, ray_environment, set_environment
from serving.settings import ServingSettings
from serving.value_files import remove_dead

log = logging.getLogger(__name__)

#: Where each service keeps its private Ray, in a folder of its own.
FOLDERS = Path("/tmp")  # noqa: S108 - the folders in it are private
FOLDER_PREFIX = "credit-serve-"
#: Logical CPUs beside the replicas, for Serve's controller and proxy.
_SPARE_CPUS = 2
_LOOK_SECONDS = 5.0


@contextmanager
def running_service(settings: ServingSettings) -> Iterator[None]:
    """Serve while the block runs, on a Ray of our own; then end it with all its processes.

    Raises:
        StepError: Ray or the application fails; names where their logs are kept.
    """
    # Unix socket paths hold 107 bytes and Ray adds some 70: the folder's own path must be short.
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=FOLDERS))
    set_environment(ray_environment(folder))
    settings = _sharing_metrics(settings, folder)
    node = RayNode(folder, settings.replicas + _SPARE_CPUS)
    try:
        _start(settings, node)
        yield
    except Exception as error:
        kept = _keep_logs(folder, settings.log_folder)
        raise StepError(f"serving failed: {error}{kept}") from error
    finally:
        _stop(node)
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


def _sharing_metrics(settings: ServingSettings, folder: Path) -> ServingSettings:
    """Settings with a folder in which the replicas share their metrics; the figures of an earlier service are gone."""
    if settings.metrics_folder is None:
        return settings.model_copy(update={"metrics_folder": folder / "metrics"})
    remove_dead(settings.metrics_folder)
    return settings


def _start(settings: ServingSettings, node: RayNode) -> None:
    import ray
    from ray import serve

    node.wait()
    ray.init(address=node.address, logging_level=logging.WARNING)
    logging_config = {"enable_access_log": False, "log_level": "WARNING"}
    serve.start(
        proxy_location="HeadOnly",
        http_options={
            "host": settings.host,
            "port": settings.port,
            # Our own limit answers first; this one is the backstop.
            "request_timeout_s": max(settings.request_timeout_seconds, settings.batch_timeout_seconds) + 1,
        },
        logging_config=logging_config,
    )
    serve.run(build_app(settings), name="credit-scoring", route_prefix="/", logging_config=logging_config)


def _stop(node: RayNode) -> None:
    import ray
    from ray import serve

    try:
        if ray.is_initialized():
            serve.shutdown()  # type: ignore[no-untyped-call]
    except Exception as error:
        log.warning("Ray Serve did not shut down in order: %s", error)
    finally:
        ray.shutdown()
        node.stop()


def _keep_logs(folder: Path, target: Path | None) -> str:
    """Copy Ray's logs out of our folder; says where to."""
    logs = folder / "session_latest" / "logs"
    if target is None or not logs.is_dir():
        return ""
    kept = target / "ray"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(logs, kept, ignore_dangling_symlinks=True)
    return f"; Ray's logs are in {kept}"
