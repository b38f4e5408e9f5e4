"""The online store over TLS, behind sentinels and in a cluster: works, is given up when silent, comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from decision_records import decision_record, keep
from feast_world import T0, FeastWorld
from packed_rows import rows_of, spec_of_types
from redis_servers import RedisProcess
from redis_topologies import Cluster, Watched, redis_cluster, tls_files, watched_redis

from credit.errors import DecisionLogFullError, StoreUnavailableError
from credit.platform import Home
from credit.schemas.features import ViewStatus
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange
from feature_repo.online.keys import client_key
from feature_repo.online.layout import layout_of
from feature_repo.online.reader import PackedReader
from feature_repo.online.settings import RedisAccess
from feature_repo.online.writer import PackedWriter
from serving.decision_log import RedisDecisionLog

PROJECT = "test"
FIRST = spec_of_types(["float32", "int32", "string"], ttl_seconds=2**31, name="first")
SECOND = spec_of_types(["int64"], ttl_seconds=2**31, name="second")
CLIENTS = list(range(100_001, 100_801))
EXPECTED = [client * 3.0 for client in CLIENTS]


@dataclass(frozen=True)
class Store:
    """A running store: how to reach it, and the servers that hold rows."""

    settings: RedisSettings
    servers: list[RedisProcess]

    def reader(self, breaker: CircuitBreaker | None = None) -> PackedReader:
        return PackedReader(self.settings, PROJECT, [FIRST, SECOND], breaker=breaker or CircuitBreaker(3, 0.05))

    def writer(self, project: str = PROJECT) -> PackedWriter:
        return PackedWriter(open_exchange(self.settings), project)

    def fill(self) -> None:
        for spec, rows in ((FIRST, [(0.5, 2, "é")] * len(CLIENTS)), (SECOND, [(client * 3,) for client in CLIENTS])):
            assert self.writer().write(layout_of(spec), rows_of(spec, rows, CLIENTS)) == len(CLIENTS)


def settings_of(url: str, **given: Any) -> RedisSettings:
    # Short, and yet long enough for a busy machine.
    return RedisSettings(url=url, **{"connect_timeout": 0.3, "read_timeout": 0.3, **given})


def tls_store(folder: Path, ended: ExitStack) -> Store:
    files = tls_files(folder / "tls")
    server = RedisProcess(folder / "redis", password="se:cret/", tls=files)
    ended.callback(server.stop)
    server.start()
    own = {"ca_file": files.ca, "cert_file": files.cert, "key_file": files.key}
    return Store(settings_of(f"rediss://127.0.0.1:{server.port}/0", password="se:cret/", **own), [server])


def sentinel_store(folder: Path, ended: ExitStack) -> Store:
    watched = ended.enter_context(watched_redis(folder))
    return Store(settings_of(watched.url, password="data", sentinel_password="guard"), [watched.primary])


def cluster_store(folder: Path, ended: ExitStack) -> Store:
    cluster = ended.enter_context(redis_cluster(folder))
    return Store(settings_of(cluster.url, password="data"), cluster.primaries)


TOPOLOGIES = [
    pytest.param(tls_store, id="tls"),
    pytest.param(sentinel_store, id="sentinel"),
    pytest.param(cluster_store, id="cluster"),
]


@pytest.fixture(scope="module", params=TOPOLOGIES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with ExitStack() as ended:
        yield request.param(tmp_path_factory.mktemp("store"), ended)


def test_rows_are_written_read_and_removed(store: Store) -> None:
    store.fill()
    reader, asked = store.reader(), CLIENTS[::-1]
    reader.ping()
    batches = reader.read([*asked, 5])
    assert batches["second"].numeric[:-1, 0].tolist() == EXPECTED[::-1]
    assert batches["second"].status[-1] is ViewStatus.NOT_FOUND
    assert set(batches["first"].strings[:-1]) == {("é",)}
    assert store.writer().read(layout_of(SECOND), [5])[0] is None
    store.writer("other").write(layout_of(SECOND), rows_of(SECOND, [(1,)], CLIENTS[:1]))
    assert store.writer().erase([*CLIENTS[:2], 5]) == dict.fromkeys(CLIENTS[:2], ("first", "second"))
    store.writer().remove_views(["first"])
    batches = reader.read(CLIENTS)
    assert set(batches["first"].status) == {ViewStatus.NOT_FOUND}
    assert batches["second"].status.count(ViewStatus.PRESENT) == len(CLIENTS) - 2
    store.writer().remove_all()
    assert set(reader.read(CLIENTS)["second"].status) == {ViewStatus.NOT_FOUND}
    assert store.writer("other").erase(CLIENTS) == {CLIENTS[0]: ("second",)}


def test_a_silent_server_is_given_up_and_found_again(store: Store) -> None:
    store.fill()
    reader, silent = store.reader(), store.servers[0]
    # A part of a failed write may be taken: of older rows that changes nothing.
    older = rows_of(SECOND, [(1,)] * len(CLIENTS), CLIENTS, as_of=1)
    reader.read(CLIENTS)
    silent.pause()
    try:
        for _ in range(3):
            with pytest.raises(StoreUnavailableError):
                reader.read(CLIENTS)
            with answering(len(store.servers) > 1):
                store.reader().ping()
        with pytest.raises(StoreUnavailableError, match="view second"):
            store.writer().write(layout_of(SECOND), older)
    finally:
        silent.resume()
    assert eventually(lambda: reader.read(CLIENTS)["second"].numeric[:, 0].tolist()) == EXPECTED


def answering(expected: bool) -> AbstractContextManager[object]:
    """One silent node of a cluster leaves an answer to a ping; a silent server of its own does not."""
    return nullcontext() if expected else pytest.raises(StoreUnavailableError)


def eventually(ask: Callable[[], Any], seconds: float = 30) -> Any:
    """The first answer; until then every failure is the typed one."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except StoreUnavailableError:
            assert time.monotonic() < deadline, "it did not come back"
            time.sleep(0.05)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:feast")
def test_feast_writes_and_reads(store: Store, tmp_path: Path) -> None:
    given = store.settings.model_dump(exclude_none=True)
    world = FeastWorld(tmp_path, given.pop("url").get_secret_value(), project="feast", **given)
    world.store.apply([world.client, world.ranked()])
    world.write(CLIENTS, [client / 8 for client in CLIENTS], T0)
    assert world.online(["ranked:score"], [*CLIENTS, 5])["score"] == [*(client / 8 for client in CLIENTS), None]
    world.store.teardown()
    assert set(store.writer("feast").read(layout_of(SECOND), CLIENTS)) == {None}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:feast")
def test_the_environment_reaches_feasts_configuration(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.environment import feast_environment
    from feature_repo.settings import FeatureSettings
    from feature_repo.store import open_store

    given = {f"redis_{name}": value for name, value in store.settings.model_dump(exclude_none=True).items()}
    settings = FeatureSettings(**{name: given[name] for name in given if name in RedisAccess.model_fields})
    # Named first, so that what `open_store` sets is taken back after the test.
    for name in {
        *feast_environment(Home(tmp_path)),
        *(f"FEATURES_{name.upper()}" for name in RedisAccess.model_fields),
    }:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in settings.redis_environment().items():
        monkeypatch.setenv(name, value)
    online = open_store(Home(tmp_path)).config.online_store
    assert online.redis == settings.redis(online.connect_timeout, online.read_timeout)
    assert online.key_ttl_seconds == 0


def test_decisions_are_kept_and_found_there(store: Store) -> None:
    log = RedisDecisionLog(store.settings, "decisions", limit=2)
    log.ping()
    record = decision_record()
    keep(log, record)
    keep(log, record)
    assert log.find(record.decision_id) == record
    assert log.find("other") is None
    keep(log, record.model_copy(update={"decision_id": "d-2"}))
    with pytest.raises(DecisionLogFullError):
        keep(log, record.model_copy(update={"decision_id": "d-3"}))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with ExitStack() as ended:
        yield tls_store(tmp_path_factory.mktemp("tls"), ended)


@pytest.mark.parametrize("wrong", ["password", "authority", "no authority", "no certificate", "no TLS"])
def test_who_does_not_belong_is_refused_with_a_typed_error(tls: Store, tmp_path: Path, wrong: str) -> None:
    changed: dict[str, Any] = {
        "password": {"password": "other"},
        "authority": {"ca_file": tls_files(tmp_path).ca},
        "no authority": {"ca_file": None},
        "no certificate": {"cert_file": None, "key_file": None},
        "no TLS": {"url": tls.settings.url.get_secret_value().replace("rediss", "redis")},
    }[wrong]
    settings = RedisSettings(**(tls.settings.model_dump() | changed))
    with pytest.raises(StoreUnavailableError):
        PackedReader(settings, PROJECT, [FIRST]).read([1])


def test_the_certificate_must_name_the_host_unless_told_otherwise(tmp_path: Path) -> None:
    files = tls_files(tmp_path / "tls", host="127.0.0.2")
    server = RedisProcess(tmp_path / "redis", tls=files, options={"tls-auth-clients": "no"})
    with ExitStack() as ended:
        ended.callback(server.stop)
        server.start()
        settings = settings_of(server.url, ca_file=files.ca)
        with pytest.raises(StoreUnavailableError, match="not valid for"):
            PackedReader(settings, PROJECT, [FIRST]).ping()
        PackedReader(settings.model_copy(update={"check_hostname": False}), PROJECT, [FIRST]).ping()


def test_a_user_of_its_own_reads_and_writes_only_what_it_may(tls: Store) -> None:
    with tls.servers[0].client() as client:
        client.acl_setuser("anna", enabled=True, passwords=["+pw"], keys=["features:test:*"], categories=["+@all"])
    url = tls.settings.url.get_secret_value().replace("rediss://", "rediss://anna@")
    store = Store(RedisSettings(**(tls.settings.model_dump() | {"url": url, "password": "pw"})), [])
    store.writer().write(layout_of(SECOND), rows_of(SECOND, [(1,)], [1]))
    assert store.reader().read([1])["second"].numeric[0, 0] == 1
    with pytest.raises(StoreUnavailableError, match=r"(?i)no permissions"):
        store.writer("other").write(layout_of(SECOND), rows_of(SECOND, [(1,)], [1]))


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"url": "/elsewhere/0"}, "No master found"),
        ({"sentinel_password": "other"}, "No master found"),
        ({"password": "other"}, "invalid username-password"),
    ],
    ids=["service", "sentinels' password", "password"],
)
def test_sentinels_that_do_not_know_us_or_the_service(tmp_path: Path, changed: dict[str, str], cause: str) -> None:
    with watched_redis(tmp_path) as watched:
        given = {"url": watched.url, "password": "data", "sentinel_password": "guard"} | changed
        if "url" in changed:
            given["url"] = watched.url.replace("/main/0", changed["url"])
        with pytest.raises(StoreUnavailableError, match=cause):
            PackedReader(settings_of(**given), PROJECT, [FIRST]).read([1])


def test_connections_outlive_silent_sentinels(tmp_path: Path) -> None:
    with watched_redis(tmp_path) as watched:
        store = Store(settings_of(watched.url, password="data", sentinel_password="guard"), [watched.primary])
        store.fill()
        reader = store.reader()
        reader.read(CLIENTS)
        watched.sentinels[0].pause()
        assert reader.read(CLIENTS)["second"].numeric[:, 0].tolist() == EXPECTED
        with pytest.raises(StoreUnavailableError, match="No master found"):
            store.reader().read(CLIENTS)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "pause", "hand over"])
def test_a_failover_heals_by_itself(tmp_path: Path, how: str) -> None:
    with watched_redis(tmp_path, sentinels=3) as watched:
        store = Store(settings_of(watched.url, password="data", sentinel_password="guard"), [watched.primary])
        store.fill()
        replicated(watched.primary)
        reader, writer = store.reader(), store.writer()
        reader.read(CLIENTS)
        watched.sentinels[0].pause()  # one silent sentinel changes nothing
        {"kill": watched.primary.kill, "pause": watched.primary.pause, "hand over": handed_over(watched)}[how]()
        becomes_primary(watched.replica)
        newer = rows_of(SECOND, [(7,)] * len(CLIENTS), CLIENTS, as_of=2**51)
        assert eventually(lambda: writer.write(layout_of(SECOND), newer)) == len(CLIENTS)
        batches = eventually(lambda: reader.read(CLIENTS))
        assert set(batches["second"].numeric[:, 0].tolist()) == {7}
        assert set(batches["first"].status) == {ViewStatus.PRESENT}


def handed_over(watched: Watched) -> Callable[[], None]:
    def hand_over() -> None:
        with watched.sentinels[1].client() as client:
            client.execute_command("SENTINEL", "FAILOVER", "main")

    return hand_over


def replicated(primary: RedisProcess) -> None:
    with primary.client() as client:
        assert client.wait(1, 10_000) == 1


def becomes_primary(replica: RedisProcess) -> None:
    with replica.client() as client:
        deadline = time.monotonic() + 30
        while client.role()[0] != b"master":
            assert time.monotonic() < deadline, "no failover"
            time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with redis_cluster(tmp_path, replica=True) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_lost_node_of_a_cluster_is_replaced(cluster: Cluster, how: str) -> None:
    store = Store(settings_of(cluster.url, password="data"), cluster.primaries)
    store.fill()
    assert cluster.replica
    replicated(cluster.primaries[0])
    reader, writer = store.reader(), store.writer()
    reader.read(CLIENTS)
    getattr(cluster.primaries[0], how)()
    with pytest.raises(StoreUnavailableError):
        reader.read(CLIENTS)
    becomes_primary(cluster.replica)
    newer = rows_of(SECOND, [(7,)] * len(CLIENTS), CLIENTS, as_of=2**51)
    assert eventually(lambda: writer.write(layout_of(SECOND), newer)) <= len(CLIENTS)
    assert set(eventually(lambda: reader.read(CLIENTS))["second"].numeric[:, 0].tolist()) == {7}


@pytest.mark.slow
def test_moving_and_moved_slots_are_followed(cluster: Cluster) -> None:
    store = Store(settings_of(cluster.url, password="data"), cluster.primaries)
    store.fill()
    reader, writer = store.reader(), store.writer()
    reader.read(CLIENTS)
    key, (source, target) = client_key(PROJECT, CLIENTS[0]).decode(), holder_and_other(cluster, CLIENTS[0])
    with source.client() as old, target.client() as new:
        slot = old.execute_command("CLUSTER", "KEYSLOT", key)
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.node_id(source))
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.node_id(target))
        old.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000, "AUTH", "data")
        assert reader.read(CLIENTS)["second"].numeric[:, 0].tolist() == EXPECTED
        newer = rows_of(SECOND, [(7,)], CLIENTS[:1], as_of=2**51)
        assert writer.write(layout_of(SECOND), newer) == 1
        for name in old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            old.execute_command("MIGRATE", "127.0.0.1", target.port, name, 0, 5000, "AUTH", "data")
        for node in cluster.primaries:
            with node.client() as client:
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", cluster.node_id(target))
    assert reader.read(CLIENTS)["second"].numeric[:, 0].tolist() == [7, *EXPECTED[1:]]
    assert writer.erase(CLIENTS[:1]) == {CLIENTS[0]: ("first", "second")}


def holder_and_other(cluster: Cluster, client_id: int) -> tuple[RedisProcess, RedisProcess]:
    """The primary that holds a client, and one that does not."""
    key = client_key(PROJECT, client_id).decode()
    holders = []
    for node in cluster.primaries:
        with node.client() as client:
            try:
                client.exists(key)
            except redis.ResponseError:
                holders.append((1, node))
            else:
                holders.append((0, node))
    holders.sort(key=lambda pair: pair[0])
    return holders[0][1], holders[1][1]


@pytest.mark.slow
def test_a_slot_without_a_node_is_a_typed_error(cluster: Cluster) -> None:
    store = Store(settings_of(cluster.url, password="data"), cluster.primaries)
    store.fill()
    for node in cluster.primaries:
        with node.client() as client:
            slot = client.execute_command("CLUSTER", "KEYSLOT", client_key(PROJECT, CLIENTS[0]))
            client.execute_command("CLUSTER", "DELSLOTS", slot)
    with pytest.raises(StoreUnavailableError):
        store.reader().read(CLIENTS)
