import time

from archived_records import NOON, id_at
from decision_records import decision_record, keep
from pydantic import SecretStr
from redis_servers import redis_server

from credit.archive.archive import Archive
from credit.demo.archiver import Archiver
from credit.demo.processes import start_time
from credit.platform import Home
from feature_repo.online.connection import RedisSettings
from feature_repo.storage import Location
from serving.decision_log import RedisDecisionLog


def test_it_archives_until_it_is_stopped(tmp_path, monkeypatch):
    archiver = Archiver(Home(tmp_path / "platform"))
    monkeypatch.setenv("MONITORING_ARCHIVE_BATCH_SECONDS", "0")
    with redis_server(tmp_path / "redis") as redis:
        monkeypatch.setenv("MONITORING_REDIS_URL", redis.url)
        log = RedisDecisionLog(RedisSettings(url=SecretStr(redis.url)), "credit_scoring", 10)
        keep(log, decision_record(id_at(NOON)))
        assert archiver.ensure() is False
        started = archiver.running()
        try:
            archive = Archive(Location.of(archiver.home.decisions), "decisions")
            deadline = time.monotonic() + 60
            while not archive.head().sequence:
                assert time.monotonic() < deadline, archiver.log_file.read_text()
                time.sleep(0.05)
            assert archiver.ensure() is True
        finally:
            assert archiver.stop() is True
        log.close()
    assert start_time(started.pid) == ""
    assert archiver.stop() is False
