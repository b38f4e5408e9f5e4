"""What a cluster says of itself, and which keys may travel together; real clusters are in the integration tests."""

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot
from redis_servers import free_port

from feature_repo.online import cluster
from feature_repo.online.cluster import ClusterExchange
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import packed_command

ANSWER = [
    [0, 99, [b"10.0.0.1", 7001, b"id1", []], [b"10.0.0.9", 7009, b"id9", []]],
    [200, 16383, [b"", 7002, b"id2", []]],
    [100, 100, [None, 7003, b"id3", []]],
]


def test_each_slot_has_its_primary_and_a_nameless_node_is_the_one_asked() -> None:
    slots = cluster._map_of([*cluster._ranges(ANSWER, "asked")])
    assert len(slots) == 16_384
    assert (slots[0], slots[99]) == (("10.0.0.1", 7001), ("10.0.0.1", 7001))
    assert (slots[100], slots[101], slots[199]) == (("asked", 7003), None, None)
    assert (slots[200], slots[16_383]) == (("asked", 7002), ("asked", 7002))


@given(st.lists(st.integers(0, 2**40), max_size=300))
def test_keys_travel_together_by_slot_and_none_is_lost(clients: list[int]) -> None:
    keys = [b"features:p:%d" % client for client in clients]
    exchange = ClusterExchange(RedisSettings(url="redis+cluster://127.0.0.1:1"))
    groups = exchange.together(keys)
    assert sorted(at for group in groups for at in group) == list(range(len(keys)))
    slots = [{key_slot(keys[at]) for at in group} for group in groups]
    assert all(len(slot) == 1 for slot in slots)
    assert len(set().union(*slots)) == len(groups)


def test_a_cluster_without_a_node_is_told() -> None:
    exchange = ClusterExchange(RedisSettings(url=f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}"))
    for call in (exchange.ping, lambda: exchange.ask([b""], [b"key"]), lambda: [*exchange.scan(b"*")]):
        with pytest.raises(redis.ConnectionError, match=r"no node of the cluster answers: .*; "):
            call()


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_a_command_is_packed_as_redis_reads_it(words: list[bytes]) -> None:
    lines = packed_command(*words)
    assert lines.startswith(b"*%d\r\n" % len(words))
    rest = lines[lines.index(b"\r\n") + 2 :]
    for word in words:
        size, _, rest = rest.partition(b"\r\n")
        assert size == b"$%d" % len(word)
        assert rest[: len(word) + 2] == word + b"\r\n"
        rest = rest[len(word) + 2 :]
    assert not rest
