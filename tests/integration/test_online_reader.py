"""The serving reader and the writer's rules against a real Redis, killed and restarted on purpose."""

import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from packed_rows import AS_OF, BUILT, CLIENT, pack, put, rows_of, spec_of_types
from redis_servers import RedisProcess, free_port, redis_server
from redis_topologies import wait_for

from credit.errors import CodecError, StoreUnavailableError
from credit.schemas.features import FeatureReader, ViewStatus
from feature_repo.online.breaker import CircuitBreaker
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange
from feature_repo.online.keys import client_key
from feature_repo.online.layout import layout_of
from feature_repo.online.reader import PackedReader
from feature_repo.online.writer import PackedWriter

PROJECT = "test"
FIRST = spec_of_types(["float32", "int32", "string"], name="first")
SECOND = spec_of_types(["int64"], name="second")
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_server(tmp_path_factory.mktemp("redis"), password="se:cret/") as running:
        yield running


@pytest.fixture
def clean(server: RedisProcess) -> RedisProcess:
    with server.client() as client:
        client.flushall()
    return server


def reader_of(server: RedisProcess, breaker: CircuitBreaker | None = None) -> PackedReader:
    settings = RedisSettings(url=f"redis://127.0.0.1:{server.port}/0", password=server.password)
    return PackedReader(settings, PROJECT, [FIRST, SECOND], now_us=lambda: BUILT, breaker=breaker)


def test_many_clients_come_in_request_order_with_what_was_found(clean: RedisProcess) -> None:
    clients = range(1, 451)
    first = pack(FIRST, [(client / 2, client, f"é{client}") for client in clients], clients)
    second = pack(SECOND, [(client,) for client in clients], clients, built=BUILT - DAY_US)
    with clean.client() as client:
        for index, client_id in enumerate(clients):
            views = {"first": first[index]} if client_id % 3 else {"first": first[index], "second": second[index]}
            put(client, PROJECT, client_id, views)
    reader: FeatureReader = reader_of(clean)
    asked = [*reversed(clients), 5000]
    batches = reader.read(asked)
    assert batches["first"].status == (ViewStatus.PRESENT,) * 450 + (ViewStatus.NOT_FOUND,)
    np.testing.assert_array_equal(batches["first"].numeric[:, 1], [*asked[:-1], math.nan])
    assert batches["first"].strings == (*((f"é{client}",) for client in asked[:-1]), (None,))
    stale = [ViewStatus.NOT_FOUND if client % 3 else ViewStatus.STALE for client in asked[:-1]]
    assert batches["second"].status == (*stale, ViewStatus.NOT_FOUND)
    reader.close()


def test_no_clients_ask_nothing(clean: RedisProcess) -> None:
    assert reader_of(clean).read([])["first"].status == ()


def test_altered_bytes_name_client_and_view(clean: RedisProcess) -> None:
    (raw,) = pack(FIRST, [(1.0, 2, "a")])
    with clean.client() as client:
        put(client, PROJECT, CLIENT, {"first": raw[:-1]})
    with pytest.raises(CodecError, match=f"client {CLIENT}, view first"):
        reader_of(clean).read([CLIENT])


def test_a_key_that_is_no_hash_fails_its_own_reads_only(clean: RedisProcess, writer: PackedWriter) -> None:
    writer.write(layout_of(SECOND), rows_of(SECOND, [(1,)]))
    with clean.client() as client:
        client.set(client_key(PROJECT, 5).decode(), "foreign")
    reader = reader_of(clean, CircuitBreaker(failures=1, retry_after=3600))
    for asked in ([5], [CLIENT, 5], [5, CLIENT]):
        with pytest.raises(StoreUnavailableError, match="refuses: WRONGTYPE"):
            reader.read(asked)
        assert reader.read([CLIENT])["second"].numeric[0, 0] == 1


def test_importing_the_reader_imports_no_framework() -> None:
    code = (
        "import sys, feature_repo.online.reader\n"
        "heavy = {'feast', 'pandas', 'duckdb', 'ray', 'pyarrow', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_killed_redis_is_refused_fast_and_found_again_without_a_restart(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        with server.client() as client:
            put(client, PROJECT, CLIENT, {"first": pack(FIRST, [(1.0, 2, "a")])[0]})
        reader = reader_of(server, CircuitBreaker(failures=3, retry_after=0.05))
        assert reader.read([CLIENT])["first"].status == (ViewStatus.PRESENT,)
        server.kill()
        for _ in range(20):
            with pytest.raises(StoreUnavailableError):
                reader.read([CLIENT])
            with pytest.raises(StoreUnavailableError):
                reader.ping()
        server.start()
        assert _comes_back(reader)
        assert reader.read([CLIENT])["first"].numeric[0, 1] == 2
        reader.ping()


def test_a_hanging_redis_is_given_up_and_its_late_answers_are_not_read(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        with server.client() as client:
            for client_id in (1, 2):
                put(client, PROJECT, client_id, {"first": pack(FIRST, [(0.5, client_id, "a")], [client_id])[0]})
        reader = reader_of(server, CircuitBreaker(failures=100))
        reader.read([1])
        server.pause()
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            reader.read([1])
        server.resume()
        assert reader.read([2])["first"].numeric[0, 1] == 2


def test_an_open_breaker_does_not_ask(tmp_path: Path) -> None:
    settings = RedisSettings(url=f"redis://127.0.0.1:{free_port()}/0")
    reader = PackedReader(settings, PROJECT, [FIRST], breaker=CircuitBreaker(failures=1, retry_after=3600))
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        reader.read([1])
    with pytest.raises(StoreUnavailableError, match="did not answer just now"):
        reader.read([1])


def test_threads_share_a_reader(clean: RedisProcess) -> None:
    clients = range(1, 201)
    with clean.client() as client:
        for client_id, raw in zip(clients, pack(SECOND, [(one,) for one in clients], clients), strict=True):
            put(client, PROJECT, client_id, {"second": raw})
    reader, wrong = reader_of(clean), []

    def work(offset: int) -> None:
        for client_id in (*clients[offset:], *clients[:offset]):
            value = reader.read([client_id])["second"].numeric[0, 0]
            if value != client_id:
                wrong.append((client_id, value))

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(0, 200, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def writer_of(server: RedisProcess, project: str = PROJECT, key_ttl_seconds: int = 0) -> PackedWriter:
    return PackedWriter(open_exchange(RedisSettings(url=server.url)), project, key_ttl_seconds)


@pytest.fixture
def writer(clean: RedisProcess) -> PackedWriter:
    return writer_of(clean)


def value_of(server: RedisProcess) -> float:
    return float(reader_of(server).read([CLIENT])["second"].numeric[0, 0])


@pytest.mark.parametrize(
    ("as_of", "built", "stays"),
    [
        (AS_OF + 1, BUILT, False),
        (AS_OF + 1, BUILT - DAY_US, False),
        (AS_OF, BUILT + 1, False),
        (AS_OF, BUILT, False),
        (AS_OF, BUILT - 1, True),
        (AS_OF - 1, BUILT, True),
        (AS_OF - 1, BUILT + DAY_US, True),
    ],
    ids=["newer", "newer, older build", "corrected", "repeated", "older build", "older", "older, newer build"],
)
def test_the_newest_as_of_stays_and_of_equal_ones_the_newest_build(
    clean: RedisProcess, writer: PackedWriter, as_of: int, built: int, stays: bool
) -> None:
    assert writer.write(layout_of(SECOND), rows_of(SECOND, [(1,)])) == 1
    assert writer.write(layout_of(SECOND), rows_of(SECOND, [(2,)], as_of=as_of, built=built)) == (0 if stays else 1)
    assert value_of(clean) == (1 if stays else 2)


def test_the_rule_holds_inside_one_call(clean: RedisProcess, writer: PackedWriter) -> None:
    rows = rows_of(SECOND, [(2,), (3,), (1,)], clients=[CLIENT] * 3)
    rows.as_of_us[:] = [AS_OF + 1, AS_OF + 2, AS_OF]
    assert writer.write(layout_of(SECOND), rows) == 2
    assert value_of(clean) == 3


def test_before_1970_is_older_than_after(clean: RedisProcess, writer: PackedWriter) -> None:
    writer.write(layout_of(SECOND), rows_of(SECOND, [(1,)], as_of=-5))
    writer.write(layout_of(SECOND), rows_of(SECOND, [(2,)], as_of=5))
    writer.write(layout_of(SECOND), rows_of(SECOND, [(3,)], as_of=-4))
    assert value_of(clean) == 2


OLD = spec_of_types(["float64"], name="second")


def old_reader(server: RedisProcess) -> PackedReader:
    """A replica of the model before: it knows the old schema of one view."""
    settings = RedisSettings(url=f"redis://127.0.0.1:{server.port}/0", password=server.password)
    return PackedReader(settings, PROJECT, [FIRST, OLD], now_us=lambda: BUILT)


def test_two_schemas_of_a_view_lie_side_by_side(clean: RedisProcess, writer: PackedWriter) -> None:
    for spec, row in ((FIRST, (1.0, 2, "a")), (OLD, (1.5,)), (SECOND, (2,))):
        writer.write(layout_of(spec), rows_of(spec, [row]))
    assert old_reader(clean).read([CLIENT])["second"].numeric[0, 0] == 1.5
    assert reader_of(clean).read([CLIENT])["second"].numeric[0, 0] == 2
    assert reader_of(clean).read([CLIENT])["second"].status == (ViewStatus.PRESENT,)


def test_a_view_of_another_schema_only_is_a_mismatch_and_the_others_are_served(
    clean: RedisProcess, writer: PackedWriter
) -> None:
    """The first client is as before the rollout, the second as after, the third is unknown."""
    writer.write(layout_of(FIRST), rows_of(FIRST, [(1.0, 2, "a"), (2.0, 3, "b")]))
    writer.write(layout_of(OLD), rows_of(OLD, [(1.5,)]))
    writer.write(layout_of(SECOND), rows_of(SECOND, [(2,)], [CLIENT + 1]))
    asked = [CLIENT, CLIENT + 1, CLIENT + 2]
    present, mismatch, absent = ViewStatus.PRESENT, ViewStatus.SCHEMA_MISMATCH, ViewStatus.NOT_FOUND
    for reader, states in ((old_reader, (present, mismatch, absent)), (reader_of, (mismatch, present, absent))):
        batches = reader(clean).read(asked)
        assert batches["second"].status == states
        assert batches["first"].status == (present, present, absent)
        missing = [state is not present for state in states]
        np.testing.assert_array_equal(np.isnan(batches["second"].numeric[:, 0]), missing)


def test_pruning_removes_other_schemas_of_old_builds_only(clean: RedisProcess, writer: PackedWriter) -> None:
    clients = range(1, 2501)
    current = [layout_of(FIRST), layout_of(SECOND)]
    writer.write(current[0], rows_of(FIRST, [(1.0, 2, "a")] * len(clients), clients, built=BUILT - DAY_US))
    writer.write(layout_of(OLD), rows_of(OLD, [(1.5,)] * len(clients), clients))
    with clean.client() as client:
        client.hset(client_key(PROJECT, 1).decode(), "second:junk", b"no row")
    assert writer.prune(current, BUILT) == 1
    assert old_reader(clean).read([*clients])["second"].status == (ViewStatus.PRESENT,) * len(clients)
    assert writer.prune(current, BUILT + 1) == len(clients)
    batches = old_reader(clean).read([*clients])
    assert batches["first"].status == (ViewStatus.STALE,) * len(clients)
    assert batches["second"].status == (ViewStatus.NOT_FOUND,) * len(clients)


def test_foreign_bytes_are_replaced(clean: RedisProcess, writer: PackedWriter) -> None:
    layout = layout_of(SECOND)
    with clean.client() as client:
        foreign = {layout.field: b"something else that is longer than a header"}
        client.hset(client_key(PROJECT, CLIENT).decode(), mapping=foreign)
    writer.write(layout, rows_of(SECOND, [(2,)]))
    assert value_of(clean) == 2


def test_a_key_expires_only_when_asked_to(clean: RedisProcess, writer: PackedWriter) -> None:
    key = client_key(PROJECT, CLIENT).decode()
    with clean.client() as client:
        writer.write(layout_of(SECOND), rows_of(SECOND, [(1,)]))
        assert client.ttl(key) == -1
        writer_of(clean, key_ttl_seconds=3600).write(layout_of(SECOND), rows_of(SECOND, [(1,)]))
        assert 0 < client.ttl(key) <= 3600


def test_the_key_ttl_says_nothing_about_freshness(clean: RedisProcess) -> None:
    key, layout = client_key(PROJECT, CLIENT).decode(), layout_of(SECOND)
    keeping = writer_of(clean, key_ttl_seconds=3600)
    keeping.write(layout, rows_of(SECOND, [(1,)], built=BUILT - DAY_US))
    assert reader_of(clean).read([CLIENT])["second"].status == (ViewStatus.STALE,)
    with clean.client() as client:
        client.expire(key, 10)
        keeping.write(layout, rows_of(SECOND, [(2,)], as_of=AS_OF - 1))  # not taken, and yet the client is in use
        assert client.ttl(key) > 10
        keeping.write(layout, rows_of(SECOND, [(3,)], built=BUILT))
        client.pexpire(key, 1)
        wait_for(lambda: not client.exists(key))
    assert reader_of(clean).read([CLIENT])["second"].status == (ViewStatus.NOT_FOUND,)


def test_views_and_projects_are_removed_alone(clean: RedisProcess, writer: PackedWriter) -> None:
    clients = range(1, 2501)
    with clean.client() as client:
        for spec, row in ((FIRST, (1.0, 2, "a")), (SECOND, (3,))):
            writer.write(layout_of(spec), rows_of(spec, [row] * len(clients), clients))
        other = writer_of(clean, "test2")
        other.write(layout_of(SECOND), rows_of(SECOND, [(4,)]))
        writer.remove_views(["first"])
        assert client.dbsize() == len(clients) + 1
        batches = reader_of(clean).read(list(clients))
        assert set(batches["first"].status) == {ViewStatus.NOT_FOUND}
        assert set(batches["second"].status) == {ViewStatus.PRESENT}
        writer.remove_all()
        assert client.keys() == [client_key("test2", CLIENT)]


def test_an_erased_client_is_gone_from_every_view_and_schema(clean: RedisProcess, writer: PackedWriter) -> None:
    old = spec_of_types(["float64"], name="second")
    for spec, row in ((FIRST, (1.0, 2, "a")), (SECOND, (3,)), (old, (4.0,))):
        writer.write(layout_of(spec), rows_of(spec, [row] * 3, [1, 2, 3]))
    other = writer_of(clean, "test2")
    other.write(layout_of(SECOND), rows_of(SECOND, [(4,)], [1]))
    assert writer.erase([1, 9, 3, 1]) == {1: ("first", "second"), 3: ("first", "second")}
    assert writer.erase([1, 3]) == {}
    with clean.client() as client:
        assert set(client.keys()) == {client_key(PROJECT, 2), client_key("test2", 1)}


def test_a_full_store_refuses_to_write_aloud(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server, server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailableError, match="view second: Redis did not take the rows"):
            writer_of(server).write(layout_of(SECOND), rows_of(SECOND, [(1,)]))


def _comes_back(reader: PackedReader) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            reader.read([CLIENT])
        except StoreUnavailableError:
            time.sleep(0.02)
        else:
            return True
    return False
