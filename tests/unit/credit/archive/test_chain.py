import hashlib
import json
import uuid

import pytest
from archived_records import NOON, id_at, record

from credit.archive.chain import GENESIS, Head, NewRecord, chained, day_of, link, new_record, time_of
from credit.errors import DataError


def test_the_text_is_kept_to_the_letter():
    stored = json.dumps({"z": 1e16, "decision_id": id_at(NOON), "client_id": 7, "a": "é \u2028"}, ensure_ascii=False)
    found = new_record("1-0", stored.encode(), "decision_id")
    assert found == NewRecord("1-0", id_at(NOON), id_at(NOON), 7, stored)


def test_a_hash_covers_the_one_before_and_the_record():
    first, second = chained(Head(), [record(1), record(2)])
    assert first.hash == hashlib.sha256(bytes(32) + first.record.text.encode()).hexdigest()
    assert second.hash == hashlib.sha256(bytes.fromhex(first.hash) + second.record.text.encode()).hexdigest()
    assert (first.sequence, second.sequence) == (1, 2)
    assert link(GENESIS, second.record.text) != second.hash


def test_the_chain_goes_on_behind_a_head():
    all_at_once = chained(Head(), [record(at) for at in range(5)])
    head = Head(sequence=all_at_once[2].sequence, hash=all_at_once[2].hash)
    assert chained(head, [record(3), record(4)]) == all_at_once[3:]


def test_an_id_tells_its_day():
    assert time_of(id_at(NOON)) == NOON
    assert day_of(id_at(NOON)).isoformat() == "2026-01-02"


@pytest.mark.parametrize("odd", ["d-1", "", str(uuid.UUID(int=1, version=4)), id_at(NOON).upper() + "A", "{x}", "../x"])
def test_another_id_tells_no_day(odd):
    with pytest.raises(DataError):
        day_of(odd)


@pytest.mark.parametrize(
    "stored",
    [
        b"", b"{", b"[]", b"null", b"{}", b'{"decision_id": "d-1", "client_id": 1}', b"\xff",
        json.dumps({"decision_id": id_at(NOON)}).encode(),
        json.dumps({"decision_id": id_at(NOON), "client_id": "x"}).encode(),
    ],
)  # fmt: skip
def test_an_entry_that_is_no_record_is_named(stored):
    with pytest.raises(DataError, match="stream entry 5-0"):
        new_record("5-0", stored, "decision_id")
