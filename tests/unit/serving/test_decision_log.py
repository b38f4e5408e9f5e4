import json
import logging
import struct

import pytest
from decision_records import decision_record
from pydantic import SecretStr
from redis_servers import redis_server

from credit.errors import DataError, DecisionLogFullError, StoreUnavailableError
from credit.schemas.decision import decision_stream_key
from feature_repo.online.connection import RedisSettings
from serving.decision_log import RedisDecisionLog

STREAM = decision_stream_key("p")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def make_log(server):
    with server.client() as client:
        client.flushall()
    made = []

    def make(limit: int = 100) -> RedisDecisionLog:
        made.append(RedisDecisionLog(RedisSettings(url=SecretStr(server.url)), "p", limit))
        return made[-1]

    yield make
    for log in made:
        log.close()


def test_a_decision_is_found_by_its_id_bit_for_bit(make_log):
    log = make_log()
    kept = decision_record(probability=struct.unpack("<d", b"\x01\x02\x03\x04\x05\x06\xb7\x3f")[0])
    log.append(kept)
    assert log.find("d-1") == kept


def test_an_unknown_decision_is_none(make_log):
    assert make_log().find("nobody") is None


def test_the_stream_keeps_the_order_and_the_whole_decision_record(make_log, server):
    log = make_log()
    for name in ("d-1", "d-2", "d-3"):
        log.append(decision_record(name))
    with server.client() as client:
        entries = client.xrange(STREAM)
    assert [json.loads(fields[b"record"])["decision_id"] for _, fields in entries] == ["d-1", "d-2", "d-3"]


def test_appending_an_id_twice_keeps_one(make_log, server):
    log = make_log()
    log.append(decision_record())
    log.append(decision_record())
    with server.client() as client:
        assert client.xlen(STREAM) == 1


def test_a_full_log_refuses_and_trims_nothing(make_log, server):
    log = make_log(limit=2)
    log.append(decision_record("d-1"))
    log.append(decision_record("d-2"))
    with pytest.raises(DecisionLogFullError, match="archive"):
        log.append(decision_record("d-3"))
    assert log.find("d-3") is None
    assert log.find("d-1") is not None
    with server.client() as client:
        client.xtrim(STREAM, maxlen=1, approximate=False)
    log.append(decision_record("d-3"))


def test_a_trimmed_decision_is_no_longer_in_the_stream(make_log, server):
    log = make_log()
    log.append(decision_record())
    with server.client() as client:
        client.xtrim(STREAM, maxlen=0, approximate=False)
    assert log.find("d-1") is None


def test_operators_are_warned_once_at_80_percent_and_once_when_full(make_log, caplog):
    log = make_log(limit=10)
    with caplog.at_level(logging.ERROR, "serving.decision_log"):
        for number in range(10):
            log.append(decision_record(f"d-{number}"))
        assert [found.getMessage()[:31] for found in caplog.records] == ["the decision log holds 8 of 10 "]
        for _ in range(3):
            with pytest.raises(DecisionLogFullError):
                log.append(decision_record("more"))
    assert len(caplog.records) == 2


def test_a_stored_form_that_is_not_understood_is_told(make_log, server):
    log = make_log()
    with server.client() as client:
        entry = client.xadd(STREAM, {"record": "{}"})
        client.set("{p}:decision:odd", entry)
    with pytest.raises(DataError, match="odd"):
        log.find("odd")


def test_a_server_that_is_gone_is_told_and_found_again(tmp_path):
    with redis_server(tmp_path) as own:
        log = RedisDecisionLog(RedisSettings(url=SecretStr(own.url)), "p", 100)
        log.append(decision_record("d-1"))
        own.kill()
        with pytest.raises(StoreUnavailableError):
            log.append(decision_record("d-2"))
        own.start()
        log.append(decision_record("d-3"))
        assert log.find("d-1") is not None  # kept by the append-only file
        log.close()


def test_a_server_that_takes_no_writes_is_told(make_log, server):
    log = make_log()
    with server.client() as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(StoreUnavailableError, match="memory"):
                log.append(decision_record())
        finally:
            client.config_set("maxmemory", "0")
