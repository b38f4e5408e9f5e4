"""The archive in object storage: a real S3 server, real Redis."""

import pytest
from archived_records import MIDNIGHT, id_at, record, series
from archiving import archive_now
from decision_records import decision_record, keep
from pydantic import SecretStr
from redis_servers import redis_server
from s3_server import BUCKET, s3_server

from credit.archive.archive import Archive
from credit.archive.segments import segments
from credit.archive.verify import verify
from credit.errors import DataError, StoreUnavailableError
from feature_repo.online.connection import RedisSettings
from feature_repo.storage import Location
from serving.decision_log import RedisDecisionLog
from serving.decisions_archive import archived_decision


@pytest.fixture(scope="module")
def endpoint():
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as endpoint:
        yield endpoint


@pytest.fixture
def place(endpoint, request):
    return Location.of(f"s3://{BUCKET}/{request.node.name}", endpoint)


class CutError(BaseException):
    pass


def cut():
    raise CutError


def test_records_are_found_verified_and_taken_up_after_a_cut(place):
    archive = Archive(place, "decisions")
    archive.recover()
    archive.append(series(300, MIDNIGHT))
    with pytest.raises(CutError):
        archive.append([record(301, MIDNIGHT)], guard=cut)
    again = Archive(place, "decisions")
    assert again.recover().sequence == 301
    assert again.append([record(301, MIDNIGHT), record(302, MIDNIGHT)]) == 1
    assert [row.sequence for row in again.rows()] == [*range(1, 303)]
    assert again.find(series(300, MIDNIGHT)[250].record_id).sequence == 251
    assert again.find(id_at(MIDNIGHT, 999)) is None
    assert verify(again).ok
    file = segments(again.folder)[0].file
    file.write_bytes(file.read_bytes()[:-200])
    assert verify(again).broken.sequence == 1
    with pytest.raises(DataError, match="cannot be read"):
        [*again.rows()]


def test_the_archiver_moves_decisions_there_and_serving_finds_them(place, endpoint, tmp_path):
    decision = decision_record(id_at(MIDNIGHT, 1))
    with redis_server(tmp_path) as redis:
        log = RedisDecisionLog(RedisSettings(url=SecretStr(redis.url)), "p", 10)
        keep(log, decision)
        report = archive_now(redis.url, "p", place.url, endpoint=endpoint)
        assert log.find(decision.decision_id) is None
        log.close()
    assert (report.archived["decisions"], report.archive) == (1, place.url)
    assert archived_decision(place, decision.decision_id) == decision


def test_a_storage_that_is_away_is_told():
    with pytest.raises(StoreUnavailableError, match="archive"):
        archived_decision(Location.of("s3://nowhere/x", "http://127.0.0.1:1"), id_at(MIDNIGHT, 1))
