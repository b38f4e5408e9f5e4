"""What tests of several folders share, because it takes seconds to make; imported only when asked for."""

import pytest


@pytest.fixture(scope="session")
def replica(tmp_path_factory):
    """The whole service in this process, made once: with real Redis, registry and bundle."""
    from serving_replica import running_replica

    with running_replica(tmp_path_factory.mktemp("replica"), request_timeout_seconds=20.0) as running:
        yield running


@pytest.fixture(scope="session")
def services(tmp_path_factory):
    """The one `creditctl serve` of a test run."""
    from redis_servers import redis_server
    from serving_service import Services

    folder = tmp_path_factory.mktemp("serving")
    with redis_server(folder / "redis") as redis:
        services = Services(folder, redis)
        try:
            yield services
        finally:
            services.stop()


@pytest.fixture(scope="module")
def service(services):
    """A running `creditctl serve`."""
    return services.running()
