"""The service in this process, without Ray: a `Replica` with real Redis, real MLflow and a real signed bundle."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis_servers import RedisProcess, redis_server
from serving_world import PROJECT, World, write_clients

from credit.errors import ModelNotReadyError
from credit.schemas.decision import DecisionRecord, decision_stream_key
from serving.replica import Replica
from serving.settings import ServingSettings

CLIENTS = 40
#: MLflow maps its tables with an option that SQLAlchemy wants to remove.
MLFLOW_WARNING = "ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow"


@dataclass
class RunningReplica:
    """A replica that answers, and the Redis behind it."""

    replica: Replica
    redis: RedisProcess

    def count(self) -> int:
        """How many decisions were recorded so far."""
        with self.redis.client() as client:
            return int(client.xlen(decision_stream_key(PROJECT)))

    def decisions(self) -> list[DecisionRecord]:
        """Everything recorded so far, in order."""
        with self.redis.client() as client:
            entries = client.xrange(decision_stream_key(PROJECT))
        return [DecisionRecord.model_validate_json(fields[b"record"]) for _, fields in entries]


@contextmanager
def running_replica(folder: Path, **settings: object) -> Iterator[RunningReplica]:
    """A replica that is ready; ended when the block ends. It knows CLIENTS clients from FIRST_CLIENT on."""
    world = World(folder / "world")
    world.registry.register(world.bundle(0))
    with redis_server(folder / "redis") as redis:
        with redis.client() as client:
            write_clients(client, world.contract, CLIENTS)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in world.environment(redis.url).items():
                patch.setenv(name, value)
            replica = Replica(ServingSettings.load(**settings))
        try:
            replica.start()
            _wait_for_model(replica)
            yield RunningReplica(replica, redis)
        finally:
            replica.close()


def _wait_for_model(replica: Replica) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            replica.service.models.current()
            return
        except ModelNotReadyError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
