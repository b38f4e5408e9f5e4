import asyncio
import threading

import httpx
import pytest
from redis_servers import redis_server
from serving_world import FIRST_CLIENT, World, write_clients

from credit.errors import BundleError, StepError
from serving import replica as replica_module
from serving.replica import Replica
from serving.settings import ServingSettings


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replica")
    world = World(folder / "world")
    world.registry.register(world.bundle(0))
    with redis_server(folder / "redis") as redis:
        with redis.client() as client:
            write_clients(client, world.contract, 3)
        yield world.environment(redis.url)


@pytest.fixture
def replica(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    replica = Replica(ServingSettings.load())
    yield replica
    replica.close()


def test_it_becomes_ready_and_answers_without_ray(replica):
    async def answers():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(replica.api()), base_url="http://scoring") as client:
            before = await client.get("/readyz")
            replica.start()
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.05)
            return before, await client.post("/v1/score", json={"client_id": FIRST_CLIENT})

    before, answer = asyncio.run(answers())
    assert (before.status_code, before.json()["code"]) == (503, "model_not_ready")
    assert answer.status_code == 200


def test_a_running_replica_is_healthy_even_without_a_model(replica):
    replica.start()
    asyncio.run(replica.check_health())


def test_a_replica_whose_watcher_ended_is_not_healthy(replica):
    replica.start()
    replica.close()
    with pytest.raises(StepError, match="watcher"):
        asyncio.run(replica.check_health())


def test_a_replica_whose_threads_stand_still_is_not_healthy(replica, monkeypatch):
    monkeypatch.setattr(replica_module, "_STALLED_AFTER_SECONDS", 0.05)
    replica.start()
    go_on = threading.Event()
    for _ in range(2):
        replica._pool.submit(go_on.wait, 20)
    try:
        with pytest.raises(StepError, match="not moved"):
            asyncio.run(replica.check_health())
    finally:
        go_on.set()


def test_without_a_public_key_it_does_not_start(environment, monkeypatch, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BundleError, match="key"):
        Replica(ServingSettings.load(public_key_path=tmp_path / "none.pem"))
