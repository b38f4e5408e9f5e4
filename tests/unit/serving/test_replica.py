import asyncio
import threading

import httpx
import pytest
import redis
from redis_servers import redis_server
from serving_world import FIRST_CLIENT, PROJECT, World, write_clients

from credit.errors import BundleError, StepError
from credit.schemas.shadow import ShadowRecord, shadow_stream_key
from serving import replica as replica_module
from serving.replica import Replica, challenger_source
from serving.settings import ServingSettings


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.registry.register(world.bundle(0))
    return world


@pytest.fixture(scope="module")
def environment(world, tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        with server.client() as client:
            write_clients(client, world.contract, 3)
        yield world.environment(server.url)


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


def test_a_challenger_of_the_registry_is_followed_scored_in_shadow_and_recorded(world, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    replica = Replica(ServingSettings.load(shadow_share=1.0, shadow_cpu_share=1.0, model_watch_seconds=600.0))
    version = world.registry.register(world.bundle(1), champion=False)

    async def answers():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(replica.api()), base_url="http://scoring") as client:
            replica.start()
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.05)
            world.registry.promote(version, "challenger")
            told = await client.post("/v1/models/refresh")
            answer = await client.post("/v1/score", json={"client_id": FIRST_CLIENT})
            while 'credit_shadow_difference_bucket{le="+Inf"} 1.0' not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.05)
            return told.json(), answer.json()

    try:
        told, answer = asyncio.run(answers())
    finally:
        replica.close()
    assert (told["champion"]["version"], told["challenger"]["version"]) == ("1", version)
    assert answer["model"]["version"] == "1"
    with redis.Redis.from_url(environment["SERVING_REDIS_URL"]) as client:
        ((_, fields),) = client.xrange(shadow_stream_key(PROJECT))
    record = ShadowRecord.model_validate_json(fields[b"record"])
    assert (record.decision_id, record.model.version) == (answer["decision_id"], version)


def test_a_challenger_with_nothing_to_do_is_not_loaded(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert challenger_source(ServingSettings.load(shadow_share=0.0)) is None
    assert challenger_source(ServingSettings.load(shadow_share=0.0, canary_share=0.1)) is not None


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
