"""The life of decisions at size: made by the service, archived by a process that is killed, replayed by another one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded_decisions import decide, scoring_service
from redis_servers import redis_server
from serving_world import World

from credit.archive.archive import Archive
from credit.bundle.keys import load_public_key
from feature_repo.storage import Location
from serving.bundle_cache import BundleCache

pytestmark = pytest.mark.slow
DECISIONS = 10_000


def command(environment, *arguments):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SERVING_", "MONITORING_"))}
    return {"args": [sys.executable, "-m", "credit", *arguments], "env": inherited | environment}


def creditctl(environment, *arguments):
    finished = subprocess.run(**command(environment, *arguments), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(finished.stdout)


def killed_while_archiving(environment, place) -> bool:
    """Start the archiver and `kill -9` it once it has moved something more; False if it got through."""
    before = Archive(place, "decisions").head().sequence
    process = subprocess.Popen(**command(environment, "monitor", "archive", "--once"))
    try:
        while Archive(place, "decisions").head().sequence < before + 500:
            if process.poll() is not None:
                return False
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    return True


def test_ten_thousand_decisions_are_archived_through_kills_and_replay_bit_for_bit(tmp_path):
    world = World(tmp_path / "world")
    environment = {"CREDIT_HOME": str(tmp_path / "home"), "MONITORING_ARCHIVE_LOCK_SECONDS": "1"}
    with redis_server(tmp_path / "redis") as redis:
        environment |= world.environment(redis.url) | {"MONITORING_REDIS_URL": redis.url}
        environment |= {"MONITORING_FEATURE_PROJECT": "testing", "MONITORING_ARCHIVE_BATCH_RECORDS": "100"}
        with scoring_service(world, redis, {**world.environment(redis.url)}, "1") as service:
            ids = decide(service, DECISIONS)
        place = Location.of(tmp_path / "home" / "decisions")
        assert sum(killed_while_archiving(environment, place) for _ in range(3)) >= 2
        left = creditctl(environment, "monitor", "archive", "--once", "--json")
        assert left["heads"]["decisions"]["sequence"] == DECISIONS
        with redis.client() as client:
            assert client.xlen("{testing}:decisions") == 0
        assert [row.record.record_id for row in Archive(place, "decisions").rows()] == ids
        assert creditctl(environment, "decisions", "verify", "--json")["ok"] is True
        _fill_cache(world, environment)
        report = creditctl(environment, "decisions", "replay", "--all", "--json")
    assert report == {"replayed": DECISIONS, "identical": DECISIONS, "differing": []}


def _fill_cache(world, environment):
    """The bundle lies in the cache, as on a machine that served with it; the registry is not asked."""

    cache = BundleCache(Path(environment["SERVING_BUNDLE_CACHE"]), load_public_key(world.public_key))
    cache.admit(world.bundle(0))
