import json
import threading
import time
from datetime import timedelta

import pytest
from archived_records import MIDNIGHT, id_at
from decision_records import decision_record, keep
from pydantic import SecretStr
from redis_servers import redis_server

from credit.archive.archive import Archive
from credit.archive.verify import verify
from credit.cli import run
from credit.errors import DataError, DecisionLogFullError, StepError, StoreUnavailableError
from credit.schemas.decision import DecisionRecord, decision_stream_key, event_stream_key
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange
from feature_repo.storage import Location
from monitoring.archiver.drain import BatchLimits, Drain, drain_all, drain_until
from monitoring.archiver.lock import Lock, LockLostError
from monitoring.archiver.run import archive_decisions
from monitoring.archiver.stream import STREAMS, Connection
from monitoring.settings import MonitoringSettings
from serving.decision_log import RedisDecisionLog

STREAM = decision_stream_key("p")
LOCK = b"{p}:archiver"
LIMITS = BatchLimits(records=4, seconds=60.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def client(server):
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(server):
    return RedisSettings(url=SecretStr(server.url), read_timeout=5)


@pytest.fixture
def log(settings, client):
    log = RedisDecisionLog(settings, "p", 1_000)
    yield log
    log.close()


def names(count: int) -> list[str]:
    return [id_at(MIDNIGHT + timedelta(seconds=at - count // 2), at) for at in range(count)]


def fill(log, count: int) -> list[str]:
    for name in names(count):
        keep(log, decision_record(name))
    return names(count)


class World:
    """What one process of the archiver has: it dies before or after its operation number `at`."""

    def __init__(self, settings, root, *, at: float = float("inf"), lock_seconds: float = 30.0) -> None:
        self.left = at
        self.connection = Connection(settings, "p", DyingExchange(open_exchange(settings), self))
        self.lock = Lock(self.connection.told, LOCK, lock_seconds)
        self.drains = [
            Drain(self.connection, kind, DyingPlace(Location.of(root), self), self.lock, LIMITS) for kind in STREAMS
        ]

    def once(self) -> None:
        """What `creditctl monitor archive --once` does."""
        with self.lock.held(threading.Event()):
            for drain in self.drains:
                drain.recover()
            drain_all(self.drains, lambda _name, _count: None)

    def tick(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise KilledError


class KilledError(BaseException):
    """The process is gone: nothing that it would do works any more."""


class DyingExchange:
    def __init__(self, inner, world) -> None:
        self.inner, self.world = inner, world

    def ask(self, commands, keys):
        if threading.current_thread() is not threading.main_thread():  # renewals do not count, the dead renew nothing
            if self.world.left <= 0:
                raise OSError("dead")
            return self.inner.ask(commands, keys)
        self.world.tick()
        answers = self.inner.ask(commands, keys)
        self.world.tick()
        return answers

    def close(self):
        self.inner.close()


class DyingPlace:
    def __init__(self, inner, world) -> None:
        self.inner, self.world = inner, world

    def __truediv__(self, name):
        return DyingPlace(self.inner / name, self.world)

    def __str__(self):
        return str(self.inner)

    @property
    def name(self):
        return self.inner.name

    @property
    def parent(self):
        return DyingPlace(self.inner.parent, self.world)

    def files(self):
        return [DyingPlace(file, self.world) for file in self.inner.files()]

    def write_bytes(self, content, *, durable=False):
        assert durable
        self.world.tick()
        self.inner.write_bytes(content, durable=durable)
        self.world.tick()

    def __getattr__(self, name):
        return getattr(self.inner, name)


def archived(root, name: str = "decisions") -> list[str]:
    return [row.record.record_id for row in Archive(Location.of(root), name).rows()]


def test_the_stream_moves_to_the_archive_in_order_and_its_indexes_go(log, client, settings, tmp_path):
    wanted = fill(log, 10)
    World(settings, tmp_path).once()
    assert archived(tmp_path) == wanted
    assert client.xlen(STREAM) == 0
    assert client.keys("*decision:*") == []
    assert verify(Archive(Location.of(tmp_path), "decisions")).ok
    (row, *_) = Archive(Location.of(tmp_path), "decisions").rows()
    assert DecisionRecord.model_validate_json(row.record.text) == decision_record(wanted[0])


def test_killed_at_every_point_each_record_is_archived_once_and_in_order(log, client, settings, tmp_path):
    """Before and after each command to Redis and each write to the archive, again and again until it gets through."""
    kills = 0
    while True:
        client.flushall()
        wanted = fill(log, 10)  # three batches; one of them spans two days
        root = tmp_path / str(kills)
        try:
            World(settings, root, at=kills + 1).once()
            break
        except KilledError:
            kills += 1
        assert {*wanted} <= {*archived(root)} | {name for name in wanted if log.find(name)}
        client.delete(LOCK)  # time goes by
        World(settings, root).once()
        assert archived(root) == wanted
        assert client.xlen(STREAM) == 0
        assert client.keys("*decision:*") == []
        assert verify(Archive(Location.of(root), "decisions")).records == 10
    assert kills > 20


def test_killed_again_and_again_while_decisions_come(log, client, settings, tmp_path):
    wanted = []
    for at, name in enumerate(names(40)):
        keep(log, decision_record(name))
        wanted.append(name)
        try:
            World(settings, tmp_path, at=4 + at % 29).once()
        except KilledError:
            client.delete(LOCK)  # time goes by
    World(settings, tmp_path).once()
    assert archived(tmp_path) == wanted
    assert verify(Archive(Location.of(tmp_path), "decisions")).ok


def test_a_redis_that_came_back_with_old_entries_archives_none_twice(log, client, settings, tmp_path):
    wanted = fill(log, 5)
    backup = client.xrange(STREAM)
    World(settings, tmp_path).once()
    client.flushall()
    for _, fields in backup:
        client.xadd(STREAM, fields, id="*")
    keep(log, decision_record(id_at(MIDNIGHT + timedelta(days=2))))
    World(settings, tmp_path).once()
    assert archived(tmp_path) == [*wanted, id_at(MIDNIGHT + timedelta(days=2))]
    assert client.xlen(STREAM) == 0


def test_a_batch_waits_until_it_is_full_or_old(log, settings, tmp_path):
    world = World(settings, tmp_path)
    drain = world.drains[0]
    with world.lock.held(threading.Event()):
        drain.recover()
        assert drain.step() == 0
        for name in names(3):
            keep(log, decision_record(name))
        assert drain.step() == 0
        assert drain.step(lambda: time.time() + 61) == 3
        for name in names(9)[3:]:
            keep(log, decision_record(name))
        assert [drain.step(), drain.step()] == [4, 0]


def test_an_entry_that_is_no_record_stops_the_archiver_and_stays(log, client, settings, tmp_path):
    fill(log, 2)
    entry = client.xadd(STREAM, {"record": "{}"}).decode()
    with pytest.raises(DataError, match=f"stream entry {entry} holds no record"):
        World(settings, tmp_path).once()
    assert client.xlen(STREAM) == 3
    client.xdel(STREAM, entry)
    client.xadd(STREAM, {"something": "else"})
    with pytest.raises(DataError, match="has no field record"):
        World(settings, tmp_path).once()


def test_a_full_log_takes_decisions_again_once_it_is_archived(client, settings, tmp_path):
    log = RedisDecisionLog(settings, "p", 3)
    fill(log, 3)
    with pytest.raises(DecisionLogFullError):
        keep(log, decision_record(id_at(MIDNIGHT, 77)))
    World(settings, tmp_path).once()
    keep(log, decision_record(id_at(MIDNIGHT, 77)))
    log.close()


def test_only_one_archiver_works_at_a_time(log, settings, tmp_path):
    first, second = (World(settings, tmp_path, lock_seconds=2.0) for _ in range(2))
    fill(log, 3)
    with first.lock.held(threading.Event()), pytest.raises(StepError, match="another archiver is at work"):
        second.once()
    second.once()
    assert len(archived(tmp_path)) == 3


def test_the_lock_of_a_dead_archiver_runs_out(log, client, settings, tmp_path):
    fill(log, 3)
    client.set(LOCK, "of one that was killed", px=300)
    World(settings, tmp_path, lock_seconds=5.0).once()
    assert len(archived(tmp_path)) == 3


def test_an_archiver_that_lost_its_lock_removes_nothing(log, client, settings, tmp_path):
    fill(log, 3)
    world = World(settings, tmp_path)
    with world.lock.held(threading.Event()):
        world.drains[0].recover()
        client.set(LOCK, "somebody else")
        with pytest.raises(LockLostError):
            world.drains[0].step(all_of_it=True)
        client.set(LOCK, world.lock.token)
    assert client.xlen(STREAM) == 3
    assert archived(tmp_path) == []
    client.delete(LOCK)
    World(settings, tmp_path).once()
    assert len(archived(tmp_path)) == 3


def test_it_stops_when_told(log, settings, tmp_path):
    stop = threading.Event()
    world = World(settings, tmp_path)
    fill(log, 4)
    with world.lock.held(stop):
        for drain in world.drains:
            drain.recover()
        drain_until(stop, world.drains, 0.01, lambda _name, _count: stop.set())
    assert len(archived(tmp_path)) == 4


def test_a_redis_that_is_away_is_told_once_and_waited_for_otherwise(tmp_path, monkeypatch):
    with redis_server(tmp_path / "redis") as own:
        monkeypatch.setenv("MONITORING_REDIS_URL", own.url)
        monkeypatch.setenv("MONITORING_DECISION_ARCHIVE", str(tmp_path / "archive"))
        monkeypatch.setenv("MONITORING_FEATURE_PROJECT", "p")
        monkeypatch.setenv("MONITORING_ARCHIVE_BATCH_SECONDS", "0")
        monkeypatch.setenv("MONITORING_ARCHIVE_POLL_SECONDS", "0.05")
        settings = MonitoringSettings()
        log = RedisDecisionLog(RedisSettings(url=SecretStr(own.url)), "p", 100)
        keep(log, decision_record(names(1)[0]))
        own.kill()
        stop = threading.Event()
        with pytest.raises(StoreUnavailableError):
            archive_decisions(settings, stop, once=True, on_batch=lambda _name, _count: None)
        own_back = threading.Timer(0.3, own.start)
        own_back.start()
        report = archive_decisions(settings, stop, once=False, on_batch=lambda _name, _count: stop.set())
        own_back.join()
        log.close()
    assert report.archived == {"decisions": 1, "events": 0}
    assert report.heads["decisions"].sequence == 1


def test_the_command_tells_what_it_moved(log, client, server, tmp_path, monkeypatch, capsys):
    fill(log, 3)
    event = {"event_id": id_at(MIDNIGHT, 5), "decision_id": names(3)[0], "client_id": 5}
    client.xadd(event_stream_key("p"), {"record": json.dumps(event)})
    monkeypatch.setenv("MONITORING_REDIS_URL", server.url)
    monkeypatch.setenv("MONITORING_FEATURE_PROJECT", "p")
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    assert run(["monitor", "archive", "--once", "--json"]) == 0
    assert '"archived":{"decisions":3,"events":1}' in capsys.readouterr().out
    assert run(["monitor", "archive", "--once"]) == 0
    assert "decisions: 0 archived, 3 in all; head " in capsys.readouterr().out
    assert len(archived(tmp_path / "decisions")) == 3
