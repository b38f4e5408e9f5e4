import json
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archived_records import MIDNIGHT, series

from credit.archive.archive import Archive
from credit.archive.segments import segments
from credit.archive.verify import verify
from feature_repo.storage import Location

RECORDS = series(40, MIDNIGHT - timedelta(seconds=20), timedelta(seconds=1))


@pytest.fixture
def archive(tmp_path):
    archive = Archive(Location.of(tmp_path), "decisions")
    archive.recover()
    for start in range(0, 40, 10):
        archive.append(RECORDS[start : start + 10])
    return archive


def rewrite(archive, at, change):
    """Put a changed table in the place of file number `at`."""
    file = segments(archive.folder)[at].file
    table = pq.read_table(file.path, partitioning=None)
    pq.write_table(change(table), file.path)


def with_value(table, row, column, value):
    values = table[column].to_pylist()
    values[row] = value(values[row])
    at = table.schema.get_field_index(column)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


def changed_text(text):
    return json.dumps(json.loads(text) | {"value": 0.25}, sort_keys=True, separators=(",", ":"))


def test_a_whole_chain_verifies(archive):
    found = verify(archive)
    assert found.ok
    assert (found.files, found.records, found.first, found.head.sequence) == (4, 40, 1, 40)


@pytest.mark.parametrize(
    ("change", "sequence"),
    [
        (lambda table: with_value(table, 3, "record", changed_text), 14),
        (lambda table: with_value(table, 3, "hash", lambda _: "a" * 64), 14),
        (lambda table: with_value(table, 3, "client_id", lambda value: value + 1), 14),
        (lambda table: with_value(table, 3, "record_id", lambda _: RECORDS[0].record_id), 14),
        (lambda table: pa.concat_tables([table.slice(0, 4), table.slice(5)]), 15),
        (lambda table: table.slice(0, 9), 20),
        (lambda table: table.slice(1), 11),
        (lambda table: pa.concat_tables([table.slice(0, 1), table.slice(2, 1), table.slice(1, 1), table.slice(3)]), 12),
    ],
)
def test_an_alteration_is_found_where_it_is(archive, change, sequence):
    rewrite(archive, 1, change)
    found = verify(archive)
    assert not found.ok
    assert found.broken.sequence == sequence


@pytest.mark.parametrize("at", [1, 2])
def test_a_missing_file_is_found(archive, at):
    segments(archive.folder)[at].file.remove()
    found = verify(archive)
    assert found.broken.sequence == at * 10 + 1
    assert "missing" in found.broken.problem


def test_a_missing_end_is_found(archive):
    segments(archive.folder)[3].file.remove()
    assert "head says 40 records, the files end at 30" in verify(archive).broken.problem


def test_every_damaged_byte_is_found(archive):
    file = segments(archive.folder)[2].file
    whole = file.read_bytes()
    for at in range(0, len(whole), len(whole) // 60):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        found = verify(archive)
        assert not found.ok or [row.record for row in archive.rows()] == RECORDS
    file.write_bytes(whole[: len(whole) // 2])
    assert verify(archive).broken.file == str(file)


def test_a_chain_whose_oldest_days_were_removed_holds_from_there(archive):
    for segment in segments(archive.folder)[:2]:
        segment.file.remove()
    found = verify(archive)
    assert found.ok
    assert (found.first, found.records) == (21, 20)
    rewrite(archive, 0, lambda table: with_value(table, 0, "record", changed_text))
    assert verify(archive).broken.sequence == 21


def test_a_hash_that_was_noted_tells_a_chain_that_was_made_anew(archive, tmp_path):
    noted = [row.hash for row in archive.rows()][25]
    assert verify(archive, noted).noted is True
    other = Archive(Location.of(tmp_path / "anew"), "decisions")
    other.recover()
    other.append(RECORDS[1:])
    assert verify(other).ok
    assert verify(other, noted).noted is False
    assert verify(archive, archive.head().hash).noted is True
