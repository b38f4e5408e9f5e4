"""Build, backfill and materialise on a real two-node Ray: the same bytes as on one machine, through kills."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kaggle_tables import random_tables
from ray_nodes import ROOT, Cluster, ray_cluster
from redis_servers import RedisProcess, redis_server

from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.manifest import read_manifest
from feature_repo.aggregates.spine import named_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest
from feature_repo.storage import Location

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BUCKETS = 24
VIEWS = load_catalogue().views


class Platform:
    """Events shared by all tests, a two-node cluster, and the command line on it."""

    def __init__(self, folder: Path, cluster: Cluster, redis: RedisProcess) -> None:
        self.folder, self.cluster, self.redis = folder, cluster, redis
        self.events = EventStore(folder / "events")

    def environment(self, home: Path, **extra: str) -> Mapping[str, str]:
        own = {
            "CREDIT_HOME": str(home),
            "FEATURES_EVENTS_LOCATION": str(self.events.root),
            "FEATURES_REDIS_URL": self.redis.url,
            "FEATURES_RAY_ADDRESS": self.cluster.address,
        }
        return {**self.cluster.environment, **own, **extra}

    def start(self, home: Path, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "credit", "features", *arguments, "--json"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment(home), cwd=ROOT, text=True, stdout=pipe, stderr=pipe)

    def run(self, home: Path, *arguments: str) -> dict[str, Any]:
        return answer(self.start(home, *arguments))

    def assert_as_on_one_machine(self, home: Path, run: str, spine: str, tmp_path: Path) -> None:
        """Every file of a run is, byte for byte, what this process computes with the run's created timestamp."""
        manifest = read_manifest(Location.of(home / "offline"), run)
        assert manifest is not None
        out = tmp_path / "here"
        build_views(self.events, named_spine(spine, self.events), out, run, VIEWS, now=manifest.created_ts)
        assert {"bureau", "application"} <= {name.partition("/")[0] for name in files(out, run)}
        assert files(home / "offline", run) == files(out, run)


def answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def files(offline: Path, run: str) -> dict[str, bytes]:
    found = [path for path in sorted(offline.glob(f"*/{run}/*")) if path.is_file()]
    return {path.relative_to(offline).as_posix(): path.read_bytes() for path in found}


def staged(home: Path) -> dict[str, int]:
    """Finished files of an unfinished build and when they were written."""
    found = (home / "offline" / ".stage").glob("*/*/*/bucket-????.parquet")
    return {f"{path.parent.name}/{path.name}": path.stat().st_mtime_ns for path in found if path.parent.name[0] != "."}


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    ingest(random_tables(480, seed=3, later=True).write(folder / "raw"), folder / "events", Options(buckets=BUCKETS))
    with redis_server(folder / "redis") as redis, ray_cluster(1, FEATURES_DUCKDB_MEMORY_LIMIT="512MiB") as cluster:
        cluster.add(1)
        yield Platform(folder, cluster, redis)


@pytest.fixture(scope="module")
def built(platform: Platform) -> Path:
    """A platform folder with both runs built on the cluster and an applied registry."""
    home = platform.folder / "home"
    assert platform.run(home, "build", "--engine", "ray")["buckets"] == BUCKETS
    assert platform.run(home, "backfill", "--spine", "training", "--engine", "ray")["resumed_buckets"] == 0
    platform.run(home, "apply")
    return home


def test_build_and_backfill_are_the_same_bytes_as_on_one_machine(
    platform: Platform, built: Path, tmp_path: Path
) -> None:
    platform.assert_as_on_one_machine(built, "online", "online", tmp_path)
    platform.assert_as_on_one_machine(built, "training", "training", tmp_path)
    assert platform.run(built, "build", "--engine", "local")["skipped"]


def online_rows(redis: RedisProcess) -> dict[bytes, dict[bytes, bytes]]:
    with redis.client() as client:
        return {key: client.hgetall(key) for key in client.scan_iter("features:*")}


def test_materialise_writes_the_same_rows_as_on_one_machine(platform: Platform, built: Path) -> None:
    written = []
    for engine in ("local", "ray"):
        with platform.redis.client() as client:
            client.flushall()
        report = platform.run(built, "materialize", "--engine", engine)
        written.append((report["clients"], online_rows(platform.redis)))
    assert written[0] == written[1]
    assert len(written[0][1]) == platform.events.meta.clients


def test_a_store_that_fills_up_fails_the_command(platform: Platform, built: Path) -> None:
    with platform.redis.client() as client:
        client.flushall()
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 100_000)
        try:
            process = platform.start(built, "materialize", "--engine", "ray")
            _, err = process.communicate(timeout=600)
        finally:
            client.config_set("maxmemory", 0)
    assert process.returncode == 1
    assert "Redis did not take the rows" in err


def test_a_node_killed_midway_changes_nothing(platform: Platform, tmp_path: Path) -> None:
    home, doomed = tmp_path / "home", platform.cluster.add(1)
    process = platform.start(home, "build", "--engine", "ray")
    wait_for(lambda: len(staged(home)) >= 4 * len(VIEWS), process)
    doomed.kill()
    assert len(staged(home)) < BUCKETS * len(VIEWS), "it was not midway"
    assert answer(process)["resumed_buckets"] == 0
    platform.assert_as_on_one_machine(home, "online", "online", tmp_path)


def test_a_killed_command_is_resumed(platform: Platform, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = platform.start(home, "backfill", "--spine", "training", "--engine", "ray")
    wait_for(lambda: len(staged(home)) >= 4 * len(VIEWS), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert read_manifest(Location.of(home / "offline"), "training") is None
    time.sleep(2)  # what ran when the command died ends
    before = staged(home)
    assert len(before) < BUCKETS * len(VIEWS), "it was not midway"
    report = platform.run(home, "backfill", "--spine", "training", "--engine", "ray")
    finished = {name for name in before if all(f"{view.name}/{name.partition('/')[2]}" in before for view in VIEWS)}
    assert report["resumed_buckets"] * len(VIEWS) == len(finished) >= 2 * len(VIEWS)
    after = {name: (home / "offline" / name.replace("/", "/training/")).stat().st_mtime_ns for name in before}
    assert after == before
    platform.assert_as_on_one_machine(home, "training", "training", tmp_path)


def test_an_error_names_its_bucket(platform: Platform, tmp_path: Path) -> None:
    home, bad = tmp_path / "home", tmp_path / "bad"
    shutil.copytree(platform.events.root, bad)
    (bad / "bureau" / "bucket-0007.parquet").write_bytes(b"PAR1 no more")
    process = subprocess.run(
        [sys.executable, "-m", "credit", "features", "build", "--engine", "ray"],
        env=platform.environment(home, FEATURES_EVENTS_LOCATION=str(bad)),
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert process.returncode == 1
    assert "bucket 7: " in process.stderr


HISTORY = """
import sys
import pyarrow.parquet as pq
from credit.platform import Home
from feature_repo.store import historical_features
for service in ("credit_scoring_v1", "fairness_v1"):
    rows = historical_features(Home.current(), pq.read_table(sys.argv[1]), service)
    pq.write_table(rows, f"{sys.argv[2]}-{service}.parquet")
"""


def test_the_cluster_profile_gives_the_history_of_the_local_one(
    platform: Platform, built: Path, tmp_path: Path
) -> None:
    spine = named_spine("training", platform.events)
    rows = spine.for_bucket(0).slice(0, 12)
    pq.write_table(rows, tmp_path / "spine.parquet")
    answers = {}
    for profile in ("local", "cluster"):
        environment = platform.environment(
            built, FEATURES_PROFILE=profile, FEATURES_REGISTRY=f"sqlite:///{tmp_path}/registry.db"
        )
        for command in (
            ["-m", "credit", "features", "apply"],
            ["-c", HISTORY, str(tmp_path / "spine.parquet"), str(tmp_path / profile)],
        ):
            done = subprocess.run(
                [sys.executable, *command], env=environment, cwd=ROOT, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
        services = ("credit_scoring_v1", "fairness_v1")
        answers[profile] = [pq.read_table(tmp_path / f"{profile}-{service}.parquet") for service in services]
    for local, cluster in zip(answers["local"], answers["cluster"], strict=True):
        assert local.num_rows == rows.num_rows
        for name in local.column_names:
            assert cluster[name].to_pylist() == local[name].to_pylist(), name
