"""Batch scoring on a two-node Ray, into S3, and killed half-way: the same bytes as in one go on one machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import ROOT, Cluster, ray_cluster
from s3_server import BUCKET, s3_server

from credit.platform import Home
from feature_repo.storage import Location

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CLIENTS = 1_000
BUCKETS = 12
TREES = 60


@dataclass(frozen=True)
class Platform:
    """Generated clients with a champion, and the command line on them."""

    home: Home
    cluster: Cluster

    def environment(self, **extra: str) -> Mapping[str, str]:
        own = {"CREDIT_HOME": str(self.home.root), "FEATURES_RAY_ADDRESS": self.cluster.address}
        return {**os.environ, **self.cluster.environment, **own, **extra}

    def start(self, *arguments: str, **extra: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "credit", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment(**extra), cwd=ROOT, text=True, stdout=pipe, stderr=pipe)

    def run(self, *arguments: str, **extra: str) -> str:
        process = self.start(*arguments, **extra)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        return out

    def score(self, out: str | Path, *arguments: str, **extra: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("score-batch", "--out", str(out), *arguments, "--json", **extra))
        return answer


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("engines")
    with ray_cluster(1) as cluster:
        cluster.add(1)
        platform = Platform(Home(folder / "home"), cluster)
        platform.run("data", "generate", "--clients", str(CLIENTS))
        platform.run("data", "ingest", "--source", str(platform.home.raw), "--buckets", str(BUCKETS))
        platform.run("features", "backfill", "--spine", "training")
        platform.run("features", "build")
        platform.run("features", "apply")
        platform.run("train", "--trees", str(TREES), "--promote", "--force", "--why", "tests")
        yield platform


@pytest.fixture(scope="module")
def here(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run scored in one go on this machine."""
    report = platform.score(tmp_path_factory.mktemp("here"))
    assert (report["clients"], report["buckets"]) == (CLIENTS, BUCKETS)
    return files(Path(report["folder"]))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("bucket-*.parquet")}


def test_ray_writes_the_same_bytes(platform: Platform, here: dict[str, bytes], tmp_path: Path) -> None:
    report = platform.score(tmp_path, "--engine", "ray")
    assert (report["clients"], report["resumed_buckets"]) == (CLIENTS, 0)
    assert files(Path(report["folder"])) == here
    assert platform.score(tmp_path)["skipped"]


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_killed_command_is_taken_up(platform: Platform, here: dict[str, bytes], tmp_path: Path, engine: str) -> None:
    process = platform.start("score-batch", "--out", str(tmp_path), "--engine", engine)
    deadline = time.monotonic() + 300
    while len(before := list(tmp_path.glob("*/bucket-*.parquet"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(2)  # what ran when the command died ends
    before = list(tmp_path.glob("*/bucket-*.parquet"))
    assert len(before) < BUCKETS, "it was not midway"
    assert not list(tmp_path.glob("*/_manifest.json"))
    written = {path.name: path.stat().st_mtime_ns for path in before}
    report = platform.score(tmp_path, "--engine", engine)
    assert (report["resumed_buckets"], report["clients"]) == (len(before), CLIENTS)
    folder = Path(report["folder"])
    assert files(folder) == here
    assert {name: (folder / name).stat().st_mtime_ns for name in written} == written


def test_runs_lie_in_object_storage_too(
    platform: Platform, here: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(monkeypatch) as endpoint:
        extra = {"FEATURES_STORAGE_ENDPOINT": endpoint}
        out = f"s3://{BUCKET}/scores"
        report = platform.score(out, **extra)
        folder = Location.of(report["folder"], endpoint)
        stored = {file.name: file.read_bytes() for file in folder.files() if file.name.startswith("bucket-")}
        assert stored == here
        assert platform.score(out, **extra)["skipped"]
        (folder / "bucket-0003.parquet").remove()
        again = platform.score(out, **extra)
        assert (again["resumed_buckets"], again["counts"]) == (BUCKETS - 1, report["counts"])
        forced = platform.score(out, "--force", "--no-reasons", **extra)
        assert (forced["resumed_buckets"], forced["counts"]) == (0, report["counts"])
