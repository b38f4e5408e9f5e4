from datetime import date, timedelta

import pytest
from archived_records import MIDNIGHT, NOON, id_at, record, series

from credit.archive.archive import Archive
from credit.archive.segments import segments
from credit.archive.verify import verify
from credit.errors import DataError, StepError
from feature_repo.storage import Location


@pytest.fixture
def place(tmp_path):
    return Location.of(tmp_path / "archive")


def opened(place) -> Archive:
    archive = Archive(place, "decisions")
    archive.recover()
    return archive


def test_an_empty_archive_is_whole_and_holds_nothing(place):
    archive = Archive(place, "decisions")
    assert [*archive.rows()] == []
    assert archive.find(id_at(NOON)) is None
    assert verify(archive).ok


def test_records_come_back_in_order_and_by_id(place):
    archive = opened(place)
    records = series(450)
    assert [archive.append(records[:300]), archive.append(records[300:])] == [300, 150]
    assert [row.record for row in archive.rows()] == records
    assert [row.sequence for row in archive.rows()] == [*range(1, 451)]
    for wanted in (records[0], records[199], records[200], records[449]):
        assert archive.find(wanted.record_id).record == wanted
    assert archive.find(id_at(NOON, 999)) is None
    assert archive.head().entry == "450-0"
    assert verify(archive).ok


def test_days_are_partitions(place):
    archive = opened(place)
    records = series(6, MIDNIGHT - timedelta(seconds=3), timedelta(seconds=1))
    archive.append(records)
    assert [segment.file.parent.name for segment in segments(archive.folder)] == ["date=2026-01-02", "date=2026-01-03"]
    second = [*archive.rows(first_day=date(2026, 1, 3))]
    assert [row.record for row in second] == records[3:]
    assert [row.record for row in archive.rows(last_day=date(2026, 1, 2))] == records[:3]
    assert archive.find(records[4].record_id).record == records[4]


def test_replicas_whose_clocks_differ_at_midnight_keep_the_order(place):
    archive = opened(place)
    times = [MIDNIGHT + timedelta(milliseconds=offset) for offset in (-2, 1, -1, 2)]
    records = [record(at, moment) for at, moment in enumerate(times, 1)]
    archive.append(records)
    assert [row.record for row in archive.rows()] == records
    assert all(archive.find(each.record_id).record == each for each in records)
    assert verify(archive).ok


def test_a_record_is_archived_once_however_often_it_comes(place):
    archive = opened(place)
    records = series(5)
    archive.append(records[:3])
    assert archive.append([records[2], records[3], records[3], records[0]]) == 1
    assert archive.append(records) == 1
    assert [row.record for row in archive.rows()] == records


def test_the_same_records_make_the_same_chain_in_whatever_batches(place, tmp_path):
    one, many = opened(place), opened(Location.of(tmp_path / "other"))
    one.append(series(10))
    for each in series(10):
        many.append([each])
    assert one.head() == many.head()


class CutError(BaseException):
    """The process ends here."""


def cut() -> None:
    raise CutError


def test_files_beyond_the_head_do_not_count_until_they_are_taken_up(place):
    archive = opened(place)
    records = series(4, MIDNIGHT - timedelta(seconds=2), timedelta(seconds=1))
    archive.append(records[:1])
    with pytest.raises(CutError):
        archive.append(records[1:], guard=cut)
    assert [row.record for row in archive.rows()] == records[:1]
    assert verify(archive).ok
    again = opened(place)
    assert [row.record for row in again.rows()] == records
    assert again.append(records) == 0
    assert verify(again).records == 4


def test_what_a_killed_writer_left_is_swept_away(place):
    archive = opened(place)
    archive.append(series(3))
    (file,) = [segment.file for segment in segments(archive.folder)]
    scratch = file.parent / f".{file.name}.x1" / file.name
    scratch.write_bytes(b"half")
    assert len(segments(archive.folder)) == 1
    opened(place)
    assert scratch.read_bytes() is None
    assert file.read_bytes() is not None


def test_two_archivers_do_not_write_over_each_other(place):
    one, other = opened(place), opened(place)
    one.append(series(2))
    with pytest.raises(StepError, match="another archiver"):
        other.append([record(7)])
    assert [row.record for row in one.rows()] == series(2)


def test_an_archiver_that_slept_and_set_the_head_back_loses_nothing(place):
    slow, archive = opened(place), opened(place)
    archive.append(series(3))
    archive.append(series(5)[3:])
    with pytest.raises(StepError):
        slow.append(series(2))
    slow._head = slow.head()  # as if it had looked just before it slept
    slow._write_head(Archive(place, "decisions").head().model_copy(update={"sequence": 0, "hash": "0" * 64}))
    again = opened(place)
    assert [row.record for row in again.rows()] == series(5)


def test_a_foreign_file_beyond_the_head_stops_the_archiver(place, tmp_path):
    archive, foreign = opened(place), opened(Location.of(tmp_path / "other"))
    archive.append(series(2))
    foreign.append([record(8), record(9), record(10)])
    (segment,) = segments(foreign.folder)
    target = archive.folder / "date=2026-01-02" / segment.file.name
    target.write_bytes(segment.file.read_bytes())
    with pytest.raises(DataError, match="does not continue the chain at record 3"):
        opened(place)


def test_a_head_that_is_no_head_is_told(place):
    archive = opened(place)
    (archive.folder / "_head.json").write_bytes(b"{")
    with pytest.raises(DataError, match="malformed"):
        archive.head()
    assert not verify(archive).ok


@pytest.mark.parametrize("odd", ["../../etc/passwd", "", "d-1"])
def test_what_is_no_id_is_not_looked_for(place, odd):
    assert opened(place).find(odd) is None
