import json
import logging
import struct

import pytest
from decision_records import decision_record, keep
from pydantic import SecretStr
from redis_servers import redis_server

from credit.errors import DataError, DecisionLogFullError, IdempotencyConflictError, StoreUnavailableError
from credit.schemas.decision import decision_stream_key, idempotency_key
from feature_repo.online.connection import RedisSettings
from serving.decision_log import Entry, RedisDecisionLog
from serving.orders import Claim

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
    keep(log, kept)
    assert log.find("d-1") == kept


def test_an_unknown_decision_is_none(make_log):
    assert make_log().find("nobody") is None


def test_the_stream_keeps_the_order_and_the_whole_decision_record(make_log, server):
    log = make_log()
    for name in ("d-1", "d-2", "d-3"):
        keep(log, decision_record(name))
    with server.client() as client:
        entries = client.xrange(STREAM)
    assert [json.loads(fields[b"record"])["decision_id"] for _, fields in entries] == ["d-1", "d-2", "d-3"]


def test_appending_an_id_twice_keeps_one(make_log, server):
    log = make_log()
    keep(log, decision_record())
    keep(log, decision_record())
    with server.client() as client:
        assert client.xlen(STREAM) == 1


def test_a_full_log_refuses_and_trims_nothing(make_log, server):
    log = make_log(limit=2)
    keep(log, decision_record("d-1"))
    keep(log, decision_record("d-2"))
    with pytest.raises(DecisionLogFullError, match="archive"):
        keep(log, decision_record("d-3"))
    assert log.find("d-3") is None
    assert log.find("d-1") is not None
    with server.client() as client:
        client.xtrim(STREAM, maxlen=1, approximate=False)
    keep(log, decision_record("d-3"))


def test_a_trimmed_decision_is_no_longer_in_the_stream(make_log, server):
    log = make_log()
    keep(log, decision_record())
    with server.client() as client:
        client.xtrim(STREAM, maxlen=0, approximate=False)
    assert log.find("d-1") is None


def test_operators_are_warned_once_at_80_percent_and_once_when_full(make_log, caplog):
    log = make_log(limit=10)
    with caplog.at_level(logging.ERROR, "serving.decision_log"):
        for number in range(10):
            keep(log, decision_record(f"d-{number}"))
        assert [found.getMessage()[:31] for found in caplog.records] == ["the decision log holds 8 of 10 "]
        for _ in range(3):
            with pytest.raises(DecisionLogFullError):
                keep(log, decision_record("more"))
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
        keep(log, decision_record("d-1"))
        own.kill()
        with pytest.raises(StoreUnavailableError):
            keep(log, decision_record("d-2"))
        own.start()
        keep(log, decision_record("d-3"))
        assert log.find("d-1") is not None  # kept by the append-only file
        log.close()


def test_a_server_that_takes_no_writes_is_told(make_log, server):
    log = make_log()
    with server.client() as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(StoreUnavailableError, match="memory"):
                keep(log, decision_record())
        finally:
            client.config_set("maxmemory", "0")


CLAIM = Claim.of("caller", "key", b"body")


def test_a_claim_answers_the_first_decision_and_appends_no_other(make_log, server):
    log = make_log()
    first = keep(log, decision_record("d-1"), CLAIM)
    assert keep(log, decision_record("d-2"), CLAIM) == first
    assert log.claimed(CLAIM) == first
    assert log.find("d-2") is None
    with server.client() as client:
        assert client.xlen(STREAM) == 1


def test_a_claim_with_another_request_is_a_conflict(make_log):
    log = make_log()
    keep(log, decision_record("d-1"), CLAIM)
    other = Claim.of("caller", "key", b"another body")
    with pytest.raises(IdempotencyConflictError):
        log.claimed(other)
    with pytest.raises(IdempotencyConflictError):
        keep(log, decision_record("d-2"), other)
    assert log.find("d-2") is None


def test_the_same_key_of_another_caller_is_another_claim(make_log):
    log = make_log()
    keep(log, decision_record("d-1"), CLAIM)
    assert log.claimed(Claim.of("other", "key", b"body")) is None


def test_neither_key_nor_caller_is_stored(make_log, server):
    keep(make_log(), decision_record("d-1"), Claim.of("secret-caller", "secret-key", b"body"))
    with server.client() as client:
        strings = [client.get(key) for key in client.scan_iter(_type="string")]
        stored = [*client.scan_iter(), *strings]
    assert len(strings) == 2
    assert not [found for found in stored if b"secret" in found]


def test_a_claim_is_forgotten_after_a_day(make_log, server):
    keep(make_log(), decision_record("d-1"), CLAIM)
    with server.client() as client:
        assert 0 < client.pttl(idempotency_key("p", CLAIM.digest)) <= 86_400_000


def test_several_decisions_are_kept_in_one_call_each_with_its_own_verdict(make_log):
    log = make_log(limit=2)
    kept = log.append([Entry(decision_record(f"d-{number}")) for number in range(4)])
    assert [getattr(one, "decision_id", type(one)) for one in kept] == [
        "d-0", "d-1", DecisionLogFullError, DecisionLogFullError,
    ]  # fmt: skip


def test_a_claim_whose_decision_was_archived_still_answers(make_log, server):
    log = make_log()
    first = keep(log, decision_record("d-1"), CLAIM)
    with server.client() as client:
        client.xtrim(STREAM, maxlen=0, approximate=False)
        client.delete("{p}:decision:d-1")
    with pytest.raises(DataError, match="neither in the log nor in the archive"):
        log.claimed(CLAIM)
    archived = {"d-1": first}
    log = RedisDecisionLog(RedisSettings(url=SecretStr(server.url)), "p", 100, archived=archived.get)
    assert log.claimed(CLAIM) == first
    assert keep(log, decision_record("d-2"), CLAIM) == first
    assert log.find("nobody") is None
    log.close()


def test_entries_and_limit_are_told_at_each_append_and_ping(server, make_log):
    make_log()
    told = []
    log = RedisDecisionLog(RedisSettings(url=SecretStr(server.url)), "p", 2, watch=lambda *found: told.append(found))
    log.ping()
    keep(log, decision_record("d-1"))
    keep(log, decision_record("d-2"))
    with pytest.raises(DecisionLogFullError):
        keep(log, decision_record("d-3"))
    log.ping()
    log.close()
    assert told == [(0, 2), (1, 2), (2, 2), (2, 2), (2, 2)]
