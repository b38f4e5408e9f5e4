"""What tests of several folders share."""

import pytest
from serving_replica import running_replica


@pytest.fixture(scope="session")
def replica(tmp_path_factory):
    """The whole service in this process, made once: with real Redis, registry and bundle."""
    with running_replica(tmp_path_factory.mktemp("replica"), request_timeout_seconds=20.0) as running:
        yield running
