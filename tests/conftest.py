"""What tests of several folders share, because it takes seconds to make."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_servers import free_port, redis_server
from serving_replica import running_replica
from serving_service import Service


@pytest.fixture(scope="session")
def replica(tmp_path_factory):
    """The whole service in this process, made once: with real Redis, registry and bundle."""
    with running_replica(tmp_path_factory.mktemp("replica"), request_timeout_seconds=20.0) as running:
        yield running


class Services:
    """Starts `creditctl serve` when it is asked for and none runs: a test may have stopped it."""

    def __init__(self, folder: Path, redis) -> None:
        self._folder = folder
        self._redis = redis
        self._started: list[Service] = []

    def running(self) -> Service:
        """A running service."""
        if not self._started or not self._started[-1].runs:
            folder = self._folder / str(len(self._started))
            self._started.append(Service(folder, self._redis, free_port()))
        return self._started[-1]

    def stop(self) -> None:
        """Stop what still runs."""
        for service in self._started:
            if service.runs:
                service.stop()


@pytest.fixture(scope="session")
def services(tmp_path_factory) -> Iterator[Services]:
    """The one `creditctl serve` of a test run."""
    folder = tmp_path_factory.mktemp("serving")
    with redis_server(folder / "redis") as redis:
        services = Services(folder, redis)
        try:
            yield services
        finally:
            services.stop()


@pytest.fixture(scope="module")
def service(services) -> Service:
    """A running `creditctl serve`."""
    return services.running()
