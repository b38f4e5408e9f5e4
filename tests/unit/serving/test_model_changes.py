"""Models that change while requests are under way: over the API in process, with real bundles and a real store."""

import asyncio
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import cycle, islice

import httpx
import pytest
from fakes import FakeRegistry
from prometheus_client import CollectorRegistry
from redis_servers import redis_server
from serving_world import FIRST_CLIENT, MODEL, PROJECT, World, write_clients

from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.errors import CreditError
from feature_repo.online.connection import RedisSettings
from feature_repo.online.reader import PackedReader
from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge
from serving.api.workers import Admission, Workers
from serving.bundle_cache import BundleCache
from serving.decision_log import RedisDecisionLog
from serving.looks import Looks
from serving.metrics import ScoringMetrics
from serving.model_source import ModelSource
from serving.model_store import ModelStore
from serving.model_watcher import ModelWatcher
from serving.orders import Asked, Order
from serving.service import ScoringService

CLIENTS = 60
LIMITS = Admission(ongoing_requests=8, request_timeout=20.0, ongoing_batches=4, batch_timeout=20.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    for seed in (1, 2, 3):
        world.bundle(seed)
    return world


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def expected(world, redis):
    """By version and client, the probability that the bundle gives."""
    with redis.client() as client:
        views = write_clients(client, world.contract, CLIENTS)
    key = load_public_key(world.public_key)
    return {
        str(seed): dict(enumerate(_probabilities(load_bundle(world.bundle(seed), key), views), FIRST_CLIENT))
        for seed in (1, 2, 3)
    }


def _probabilities(bundle, views):
    return bundle.predict(bundle.matrix(views)).probability.tolist()


@pytest.fixture
def registry(world):
    registry = FakeRegistry(lambda version, target: shutil.copytree(world.bundle(int(version)), target))
    registry.version = "1"
    return registry


@pytest.fixture
def make_service(world, redis, registry, expected, tmp_path):
    settings = RedisSettings(url=redis.url, connect_timeout=2.0, read_timeout=2.0)

    def make(canary_share=0.0):
        cache = BundleCache(tmp_path / "cache", load_public_key(world.public_key), kept=3)
        champion, challenger = (ModelSource(cache, registry, MODEL, alias) for alias in ("champion", "challenger"))
        store = ModelStore(
            champion,
            lambda views: PackedReader(settings, PROJECT, views),
            challenger=challenger,
            canary_share=canary_share,
        )
        store.refresh()
        return ScoringService(
            store, RedisDecisionLog(settings, PROJECT, 1_000_000), ScoringMetrics(CollectorRegistry())
        )

    return make


@contextmanager
def followed(service, seconds=600.0):
    watcher = ModelWatcher(service.models, seconds)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop()


@asynccontextmanager
async def http(service):
    with ThreadPoolExecutor(2) as pool:
        workers = Workers(pool, LIMITS)
        api = build_api(Edge(service, workers, Access(), BodyLimits(16_384, 1_000_000)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://scoring") as client:
            yield client
        workers.close()


def batch_of(ids):
    return {"items": [{"client_id": client_id, "reasons": False} for client_id in ids]}


def assert_own_probabilities(answers, expected):
    for answer in answers:
        assert answer["probability"] == expected[answer["model"]["version"]][answer["client_id"]]


def test_a_batch_during_a_swap_names_one_version(make_service, registry, expected, monkeypatch):
    service = make_service()
    scored = []
    score_many = service.score_many

    def swapping(orders, *arguments):
        results = score_many(orders, *arguments)
        registry.version = {"1": "2", "2": "1"}[registry.version]
        scored.append(service.models.refresh())
        return results

    monkeypatch.setattr(service, "score_many", swapping)

    async def ask():
        async with http(service) as client:
            return await client.post("/v1/score/batch", json=batch_of(expected["1"]))

    items = asyncio.run(ask()).json()["items"]
    assert scored == [True, True, True]
    assert len(items) == CLIENTS
    assert {item["result"]["model"]["version"] for item in items} == {"1"}
    assert_own_probabilities([item["result"] for item in items], expected)


def test_a_canarys_clients_are_answered_by_the_challenger_alone_and_in_a_batch(make_service, registry, expected):
    registry.aliases["challenger"] = "2"
    service = make_service(canary_share=0.4)

    async def ask():
        async with http(service) as client:
            alone = [(await client.post("/v1/score", json={"client_id": each})).json() for each in expected["1"]]
            return alone, (await client.post("/v1/score/batch", json=batch_of(expected["1"]))).json()["items"]

    alone, items = asyncio.run(ask())
    together = [item["result"] for item in items]
    assert [answer["client_id"] for answer in together] == [*expected["1"]]
    versions = [answer["model"]["version"] for answer in alone]
    assert versions == [answer["model"]["version"] for answer in together]
    assert 10 < versions.count("2") < 40
    assert_own_probabilities([*alone, *together], expected)


def test_a_client_that_is_unknown_on_one_side_harms_no_other(make_service, registry, expected):
    registry.aliases["challenger"] = "2"
    service = make_service(canary_share=0.4)
    ids = [*expected["1"], 999_999_999, 999_999_998, 999_999_997]
    results = service.score_many([Order(each) for each in ids], [Asked("r-1", "me")] * len(ids))
    assert [isinstance(result, CreditError) for result in results] == [False] * CLIENTS + [True] * 3


def test_refresh_swaps_at_once_and_tells_the_models(make_service, registry, expected):
    service = make_service()

    async def ask():
        async with http(service) as client:
            unmoved = await client.post("/v1/models/refresh")
            registry.version, registry.aliases["challenger"] = "2", "3"
            moved = await client.post("/v1/models/refresh")
            return unmoved, moved, await client.post("/v1/score", json={"client_id": FIRST_CLIENT})

    with followed(service):
        unmoved, moved, answer = asyncio.run(ask())
    assert (unmoved.status_code, unmoved.json()["changed"], unmoved.json()["previous"]) == (200, False, None)
    told = moved.json()
    assert told["changed"] is True
    assert [told[role]["version"] for role in ("champion", "previous", "challenger")] == ["2", "1", "3"]
    assert answer.json()["model"]["version"] == "2"


def test_refresh_tells_why_a_challenger_is_not_loaded(make_service, registry, monkeypatch):
    service = make_service()

    def altered(version, target):
        target.mkdir()

    monkeypatch.setattr(registry, "_fetch", altered)
    registry.aliases["challenger"] = "2"
    answer = _refreshed(service)
    assert answer.status_code == 200
    assert (answer.json()["challenger"], answer.json()["champion"]["version"]) == (None, "1")
    assert "version 2 is refused" in answer.json()["challenger_problem"]


@pytest.mark.parametrize(
    ("obstacle", "status", "code"),
    [("down", 503, "registry"), ("no alias", 409, "no_champion"), ("altered", 409, "bundle")],
)
def test_a_refresh_that_finds_nothing_good_is_a_problem_and_the_model_stays(
    make_service, registry, monkeypatch, obstacle, status, code
):
    service = make_service()
    registry.down = obstacle == "down"
    registry.version = None if obstacle == "no alias" else "2"
    monkeypatch.setattr(registry, "_fetch", lambda version, target: target.mkdir())
    for _ in range(2):
        answer = _refreshed(service)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert service.models.current().version.version == "1"


def test_a_refused_champion_is_no_problem_any_more_once_the_alias_is_back(make_service, registry, monkeypatch):
    service = make_service()
    monkeypatch.setattr(registry, "_fetch", lambda version, target: target.mkdir())
    registry.version = "2"
    assert _refreshed(service).status_code == 409
    registry.version = "1"
    assert _refreshed(service).json()["changed"] is False


def test_a_refresh_of_a_replica_that_ends_is_a_problem(make_service):
    service = make_service()
    with followed(service):
        pass
    answer = _refreshed(service, watching=False)
    assert (answer.status_code, answer.json()["code"]) == (500, "step_failed")


def _refreshed(service, watching=True):
    service.models.looks = Looks() if watching else service.models.looks  # the last watcher closed them

    async def ask():
        async with http(service) as client:
            return await client.post("/v1/models/refresh")

    if not watching:
        return asyncio.run(ask())
    with followed(service):
        return asyncio.run(ask())


def test_swaps_under_load_fail_nothing_mix_nothing_and_leave_nothing(make_service, registry, world, expected, tmp_path):
    service = make_service()
    stop = threading.Event()
    readers = []
    make_reader = service.models._reader_factory

    def counted_reader(views):
        readers.append(_Closing(make_reader(views)))
        return readers[-1]

    service.models._reader_factory = counted_reader

    def one_by_one(start):
        answers = []
        for client_id in islice(cycle(expected["1"]), start, None):
            if stop.is_set():
                return answers
            answers.append([service.score(Order(client_id, reasons=False), Asked("r-1", "me"))])
        raise AssertionError

    def in_batches(size):
        answers = []
        while not stop.is_set():
            ids = [*expected["1"]][:size]
            models = service.models.snapshot()
            halves = [ids[: size // 2], ids[size // 2 :]]
            found = [
                service.score_many([Order(each) for each in half], [Asked("r-1", "me")] * len(half), models)
                for half in halves
            ]
            answers.append([answer for half in found for answer in half])
        return answers

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(one_by_one, start) for start in (0, 30)]
        asking += [pool.submit(in_batches, size) for size in (20, 60)]
        for version in islice(cycle(["2", "3", "1"]), 20):
            registry.version = version
            assert service.models.refresh()
        stop.set()
        answers = [answer for one in asking for answer in one.result()]
    assert all(len({each.model.version for each in together}) == 1 for together in answers)
    flat = [each for together in answers for each in together]
    assert all(each.probability == expected[each.model.version][each.client_id] for each in flat)
    assert {each.model.version for each in flat} == {"1", "2", "3"}
    # Champion and the one before are open; the third was let go each time.
    assert [reader.closed for reader in readers[:-2]] == [True] * (len(readers) - 2)
    assert not readers[-1].closed
    held = {path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()}
    assert len(held) == 3


class _Closing:
    """A reader that remembers whether it was closed."""

    def __init__(self, reader):
        self._reader = reader
        self.closed = False

    def read(self, client_ids):
        return self._reader.read(client_ids)

    def close(self):
        self._reader.close()
        self.closed = True
