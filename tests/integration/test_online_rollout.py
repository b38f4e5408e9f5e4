"""A view changes while it is served: the old and the new model each read their own rows, never a mixture."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packed_rows import BUILT, rows_of, spec_of_types
from redis_servers import RedisProcess, redis_server

from credit.schemas.features import ViewSpec, ViewStatus
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange
from feature_repo.online.layout import layout_of
from feature_repo.online.reader import PackedReader
from feature_repo.online.writer import PackedWriter

PROJECT = "rollout"
CLIENTS = list(range(1, 401))
#: The same names; the new model's view has one column more in front, so that every value has another place.
OLD = spec_of_types(["int32", "string"], name="view", ttl_seconds=60)
NEW = spec_of_types(["string", "int32", "float64"], name="view", ttl_seconds=60)
OTHER = spec_of_types(["int64"], name="other", ttl_seconds=60)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_server(tmp_path) as running:
        yield running


def reader_of(server: RedisProcess, view: ViewSpec) -> PackedReader:
    return PackedReader(RedisSettings(url=server.url, read_timeout=5), PROJECT, [view, OTHER], now_us=lambda: BUILT)


def writer_of(server: RedisProcess) -> PackedWriter:
    return PackedWriter(open_exchange(RedisSettings(url=server.url, read_timeout=5)), PROJECT)


def fill_old(writer: PackedWriter) -> None:
    writer.write(layout_of(OLD), rows_of(OLD, [(client, f"old{client}") for client in CLIENTS], CLIENTS))
    writer.write(layout_of(OTHER), rows_of(OTHER, [(client,) for client in CLIENTS], CLIENTS))


def write_new(server: RedisProcess) -> None:
    writer = writer_of(server)
    for start in range(0, len(CLIENTS), 20):
        part = CLIENTS[start : start + 20]
        rows = [(f"new{client}", -client, client / 2) for client in part]
        writer.write(layout_of(NEW), rows_of(NEW, rows, part, built=BUILT + 1))


def during(work: Callable[[], None], look: Callable[[], None]) -> int:
    """Look as often as possible while `work` runs, and once more; how often."""
    thread = threading.Thread(target=work)
    thread.start()
    looks = 0
    while thread.is_alive() or looks < 2:
        look()
        looks += 1
    thread.join()
    return looks


def test_both_models_are_served_while_the_new_rows_are_written(server: RedisProcess) -> None:
    fill_old(writer_of(server))
    old, new = reader_of(server, OLD), reader_of(server, NEW)
    seen = set()

    def look() -> None:
        before = old.read(CLIENTS)["view"]
        assert set(before.status) == {ViewStatus.PRESENT}
        assert before.numeric[:, 0].tolist() == CLIENTS
        assert [text for (text,) in before.strings] == [f"old{client}" for client in CLIENTS]
        batches = new.read(CLIENTS)
        assert batches["other"].numeric[:, 0].tolist() == CLIENTS
        after = batches["view"]
        for client, status, numbers, texts in zip(CLIENTS, after.status, after.numeric, after.strings, strict=True):
            seen.add(status)
            if status is ViewStatus.PRESENT:
                assert (numbers.tolist(), texts) == ([-client, client / 2], (f"new{client}",))
            else:
                assert status is ViewStatus.SCHEMA_MISMATCH
                assert texts == (None,)

    look()
    assert during(lambda: write_new(server), look) >= 2
    look()
    assert seen == {ViewStatus.SCHEMA_MISMATCH, ViewStatus.PRESENT}
    assert set(new.read(CLIENTS)["view"].status) == {ViewStatus.PRESENT}


def test_the_old_model_can_come_back_and_its_rows_be_built_again(server: RedisProcess) -> None:
    fill_old(writer_of(server))
    write_new(server)
    again = rows_of(OLD, [(client * 2, "again") for client in CLIENTS], CLIENTS, built=BUILT + 2)
    assert writer_of(server).write(layout_of(OLD), again) == len(CLIENTS)
    assert reader_of(server, OLD).read(CLIENTS)["view"].numeric[:, 0].tolist() == [client * 2 for client in CLIENTS]
    assert reader_of(server, NEW).read(CLIENTS)["view"].numeric[:, 0].tolist() == [-client for client in CLIENTS]


def test_pruning_during_the_rollout_takes_nothing_that_is_still_fresh(server: RedisProcess) -> None:
    fill_old(writer_of(server))
    write_new(server)
    assert writer_of(server).prune([layout_of(NEW), layout_of(OTHER)], built_before_us=BUILT) == 0
    assert set(reader_of(server, OLD).read(CLIENTS)["view"].status) == {ViewStatus.PRESENT}
    assert writer_of(server).prune([layout_of(NEW), layout_of(OTHER)], built_before_us=BUILT + 1) == len(CLIENTS)
    assert set(reader_of(server, OLD).read(CLIENTS)["view"].status) == {ViewStatus.SCHEMA_MISMATCH}
    assert set(reader_of(server, NEW).read(CLIENTS)["view"].status) == {ViewStatus.PRESENT}
