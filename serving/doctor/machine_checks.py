"""This machine: the platform folder, its disk, Ray, and the service's port."""

import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from credit.errors import StepError
from credit.platform import Home
from serving.doctor.examination import Finding, fail, ok, warn
from serving.local_ray import FOLDER_PREFIX, FOLDERS, check_port_free
from serving.ray_node import processes_of
from serving.settings import ServingSettings

_SECONDS: Final = 3.0
_RAY_SECONDS: Final = 30.0
_GIB: Final = 1024**3
_LITTLE: Final = 5 * _GIB
_TOO_LITTLE: Final = 1 * _GIB
#: On the command line of a private Ray's first process; it ends with the service that started it.
_HEAD: Final = b"ray.scripts.scripts"


def platform_folder(home: Home) -> Iterator[Finding]:
    """Whether anything was made here."""
    if home.root.is_dir():
        yield ok("platform", f"folder {home.root}")
    else:
        yield fail("platform", f"there is nothing in {home.root} yet: run `make demo`, or set CREDIT_HOME")


def disk(home: Home) -> Iterator[Finding]:
    """Whether there is room for data, models and logs."""
    place = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / _GIB:.1f} GiB free on the disk of {place}"
    if free < _TOO_LITTLE:
        yield fail("disk", f"{text}: make room, Redis and the decision archive need it")
    elif free < _LITTLE:
        yield warn("disk", f"{text}: make room soon")
    else:
        yield ok("disk", text)


def ray() -> Iterator[Finding]:
    """Whether Ray can be used; asked in a process of its own, which can be ended when it hangs."""
    asked = [sys.executable, "-W", "ignore", "-c", "import ray.serve; print(ray.__version__)"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_RAY_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        yield fail("ray", f"importing it takes more than {_RAY_SECONDS:g} s: the machine is overloaded")
        return
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield fail("ray", f"cannot be imported ({last}): install the package with its extra `serving`")
    else:
        yield ok("ray", f"version {done.stdout.strip()} can be used")


def left_over() -> Iterator[Finding]:
    """Whether a service that was killed left its private Ray behind."""
    stale = [folder for folder in FOLDERS.glob(f"{FOLDER_PREFIX}*") if _is_ours(folder) and not _has_head(folder)]
    for folder in stale:
        processes = processes_of(str(folder))
        rest = f"end the processes {', '.join(map(str, processes))} and " if processes else ""
        yield warn("left over", f"a service that was killed left its private Ray: {rest}remove {folder}")
    if not stale:
        yield ok("left over", "no private Ray without its service")


def port(settings: ServingSettings) -> Iterator[Finding]:
    """Whether the service's port is free, or ours."""
    place = f"{settings.host}:{settings.port}"
    try:
        check_port_free(settings.host, settings.port)
    except StepError:
        yield _service(settings, place)
    else:
        yield warn("service", f"nothing listens on {place}: start it with `creditctl serve`, or `make demo`")


def _service(settings: ServingSettings, place: str) -> Finding:
    if _get(settings, "/version")[1].get("name") != "credit-scoring":
        return fail("service", f"another program has {place}: stop it, or choose another SERVING_PORT")
    status, answer = _get(settings, "/readyz")
    if status != http.client.OK:
        return fail("service", f"the service on {place} is not ready: {answer.get('detail', f'status {status}')}")
    return ok("service", f"ready on {place} with version {answer['model']['version']}")


def _get(settings: ServingSettings, path: str) -> tuple[int, dict[str, Any]]:
    with closing(http.client.HTTPConnection(settings.host, settings.port, timeout=_SECONDS)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = json.loads(answer.read(100_000))
            return answer.status, body if isinstance(body, dict) else {}
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}


def _is_ours(folder: Path) -> bool:
    try:
        return folder.is_dir() and folder.owner() == Path.home().owner()
    except (OSError, KeyError):
        return False


def _has_head(folder: Path) -> bool:
    return any(_HEAD in _command(process) for process in processes_of(str(folder)))


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
