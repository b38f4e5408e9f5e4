import hashlib
import json
import struct
import uuid

import pytest
from archived_records import NOON, id_at, record
from hypothesis import given
from hypothesis import strategies as st

from credit.archive.chain import GENESIS, Head, canonical, chained, day_of, link, new_record, time_of
from credit.errors import DataError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON)
def test_canonical_text_keeps_every_value_and_is_its_own_canonical_form(content):
    text = canonical(content)
    assert repr(json.loads(text)) == repr(json.loads(json.dumps(content, sort_keys=True)))
    assert canonical(json.loads(text)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_bit_for_bit(number):
    assert struct.pack("<d", json.loads(canonical({"x": number}))["x"]) == struct.pack("<d", number)


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
        json.dumps({"decision_id": id_at(NOON), "client_id": 1, "x": float("nan")}).encode(),
    ],
)  # fmt: skip
def test_an_entry_that_is_no_record_is_named(stored):
    with pytest.raises(DataError, match="stream entry 5-0"):
        new_record("5-0", stored, "decision_id")
