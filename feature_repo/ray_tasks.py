"""Tasks on a Ray cluster: a bounded number at a time, repeated when a worker or a node dies under them."""

import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Generic, TypeVar, cast

from credit.errors import CreditError, SettingsError, StepError

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Value = TypeVar("Value")

log = logging.getLogger(__name__)

_CPUS: Final = 1
#: How often Ray repeats a task whose worker died. Tasks write whole files or newest rows, so repeating is harmless.
_REPEATS: Final = 3
#: Tasks in flight per CPU of the cluster: the next one waits on its node while one runs.
_WAITING: Final = 2
_PATIENCE_SECONDS: Final = 10.0
_UNITS: Final = {"K": 1, "M": 2, "G": 3, "T": 4}


def join_ray(address: str | None) -> None:
    """Join the Ray at `address` (host:port, or `local` for one of our own), unless this process has joined one.

    Raises:
        SettingsError: no address is given.
        StepError: nobody answers there.
    """
    # Ray reads its switches when it is first imported; the first one avoids a warning about machines without GPU.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        raise SettingsError("which Ray? Give --ray-address host:port (or `local`), or set FEATURES_RAY_ADDRESS")
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises whatever its start met
        raise StepError(f"cannot join the Ray at {address}: {error}") from error


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()


@dataclass(frozen=True, slots=True)
class Stored(Generic[Value]):
    """A value in Ray's object store."""

    reference: Any

    def get(self) -> Value:
        """See `feature_repo.tasks.Shared`."""
        import ray

        return cast(Value, ray.get(self.reference))


class RayTasks:
    """Tasks on the Ray that this process has joined.

    Args:
        memory: what a task may take, such as 4GiB; Ray puts no more tasks on a node than fit.
    """

    threads: int | None = _CPUS

    def __init__(self, memory: str) -> None:
        self._memory = _bytes(memory)

    def run(self, function: Callable[[Task], Answer], tasks: Iterable[Task]) -> Iterator[Answer]:
        """See `feature_repo.tasks.Tasks`; `function` must be importable on every node."""
        import ray

        self._warn_if_no_room()
        remote = ray.remote(num_cpus=_CPUS, memory=self._memory, max_retries=_REPEATS, scheduling_strategy="SPREAD")(
            function
        )
        waiting = iter(tasks)
        pending: list[Any] = []
        try:
            while True:
                pending += [remote.remote(task) for task in islice(waiting, self._room(len(pending)))]
                if not pending:
                    return
                (done, *_), pending = ray.wait(pending, num_returns=1)
                yield _answer(done)
        finally:
            for reference in pending:
                ray.cancel(reference, force=True)

    def share(self, value: Value) -> Stored[Value]:
        """See `feature_repo.tasks.Tasks`."""
        import ray

        return Stored(ray.put(value))

    def _room(self, in_flight: int) -> int:
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return max(0, _WAITING * max(1, int(resources.get("CPU", 1))) - in_flight)

    def _warn_if_no_room(self) -> None:
        """A cluster that grows may have no such node yet, so that this is no error."""
        import ray

        found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        nodes = [node["Resources"] for node in found if node["Alive"]]
        if not any(node.get("CPU", 0) >= _CPUS and node.get("memory", 0) >= self._memory for node in nodes):
            log.warning(
                "no node of Ray has %d CPU and %d MiB yet: tasks wait for one; FEATURES_DUCKDB_MEMORY_LIMIT says "
                "what a task takes",
                _CPUS,
                self._memory // 1024**2,
            )


def _answer(reference: Any) -> Any:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, CreditError):
            raise cause from None
        raise StepError(f"a task on Ray failed: {cause!r}") from error
    except RayError as error:
        raise StepError(f"a task on Ray was lost {_REPEATS + 1} times: {error}") from error


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([\d.]+)\s?([KMGT])(i?)B", text)
    assert found  # the settings check it
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _UNITS[unit])
