"""Independent tasks, one after the other here or side by side on a Ray cluster: the same functions either way."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from credit.errors import CreditError, SettingsError, StepError
from feature_repo.settings import FeatureSettings

Engine = Literal["local", "ray"]
#: Two would leave the server idle while both compute.
_OVERLAPPING = 3
Task = TypeVar("Task")
Answer = TypeVar("Answer")
Value = TypeVar("Value")
Value_co = TypeVar("Value_co", covariant=True)


class Shared(Protocol[Value_co]):
    """What many tasks need: small wherever it goes, fetched where it is needed."""

    def get(self) -> Value_co:
        """The value."""
        ...


@dataclass(frozen=True, slots=True)
class Held(Generic[Value]):
    """A value of this process."""

    value: Value

    def get(self) -> Value:
        """See `Shared`."""
        return self.value


class Tasks(Protocol):
    """Runs tasks of one function.

    Attributes:
        threads: how many threads the function may use; None leaves it to the settings.
    """

    threads: int | None

    def run(self, function: Callable[[Task], Answer], tasks: Iterable[Task]) -> Iterator[Answer]:
        """The answers, as they come; tasks are taken from the iterable only when there is room for them.

        Raises:
            CreditError: the first error of a task; no further answer comes.
        """
        ...

    def share(self, value: Value) -> Shared[Value]:
        """A large value for all tasks, which would else travel with each of them."""
        ...


class LocalTasks:
    """One after the other, in this process and in order."""

    threads: int | None = None

    def run(self, function: Callable[[Task], Answer], tasks: Iterable[Task]) -> Iterator[Answer]:
        """See `Tasks`."""
        return map(function, tasks)

    def share(self, value: Value) -> Shared[Value]:
        """See `Tasks`."""
        return Held(value)


class OverlappingTasks:
    """A few at a time, in this process and in order: while one waits for another server, the others compute."""

    threads: int | None = None

    def run(self, function: Callable[[Task], Answer], tasks: Iterable[Task]) -> Iterator[Answer]:
        """See `Tasks`."""
        with ThreadPoolExecutor(_OVERLAPPING) as pool:
            running: deque[Future[Answer]] = deque()
            try:
                for task in tasks:
                    running.append(pool.submit(function, task))
                    if len(running) > _OVERLAPPING:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:
                for future in running:
                    future.cancel()

    def share(self, value: Value) -> Shared[Value]:
        """See `Tasks`."""
        return Held(value)


def tasks_of(
    engine: Engine | None,
    address: str | None,
    settings: FeatureSettings,
    *,
    local: Tasks | None = None,
    memory: str | None = None,
) -> Tasks:
    """What runs tasks.

    Args:
        engine: None takes the profile's: Ray in the cluster profile.
        address: of Ray; None takes the settings'.
        settings: profile, address, and the memory of a task.
        local: what runs them here; default: one after the other.
        memory: of a task on Ray, instead of the settings', such as 512MiB.

    Raises:
        SettingsError: Ray is asked for and no address is known, or an address is given without it.
        StepError: Ray cannot be joined.
    """
    chosen = engine or ("ray" if settings.profile == "cluster" else "local")
    if chosen == "local":
        if address:
            raise SettingsError("--ray-address goes with --engine ray")
        return local or LocalTasks()
    from feature_repo.ray_tasks import RayTasks, join_ray  # Ray takes a second to import

    join_ray(address or settings.ray_address)
    return RayTasks(memory or settings.duckdb_memory_limit)


@contextmanager
def output_for_the_answer() -> Iterator[None]:
    """Keep standard output for a command's answer: Ray reports its troubles there, until it is left."""
    with redirect_stdout(sys.stderr):
        try:
            yield
        finally:
            if "ray" in sys.modules:
                import ray

                ray.shutdown()


def name_bucket(bucket: str, error: Exception) -> CreditError:
    """The error of a task with its bucket named: one of ours as it is, any other as a StepError."""
    if isinstance(error, CreditError):
        error.args = (f"{bucket}: {error}", *error.args[1:])
        return error
    return StepError(f"{bucket}: {type(error).__name__}: {error}. Mend the cause and run it again")
