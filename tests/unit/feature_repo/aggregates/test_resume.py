"""A build that is cut short goes on where it stopped; a run is built once at a time; in object storage too."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from kaggle_tables import random_tables
from s3_server import BUCKET, s3_server

from credit.cli import run
from credit.errors import StepError
from feature_repo.aggregates import publication
from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.claim import claimed
from feature_repo.aggregates.manifest import read_manifest
from feature_repo.aggregates.spine import Spine, online_spine, training_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest
from feature_repo.ingest.publish import ingest_to
from feature_repo.storage import Location

VIEWS = tuple(load_catalogue().view(name) for name in ("application", "bureau"))
NOW = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
LATER = datetime(2026, 3, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return random_tables(40, seed=3, later=True).write(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def events(raw):
    return ingest(raw, raw.parent / "events", Options(buckets=4)).store.root.path


@pytest.fixture
def store(events, tmp_path):
    """Events that a test may damage."""
    return EventStore(shutil.copytree(events, tmp_path / "events"))


def contents(out):
    """Bytes by name of what a reader may see, and the manifests."""
    place = Location.of(out)
    found = {str(file).removeprefix(f"{place}/"): file.read_bytes() for file in place.files()}
    return {name: data for name, data in found.items() if not name.endswith((".lock", ".claim"))}


def rows_of(out):
    return {name: data for name, data in contents(out).items() if not name.startswith(".")}


def staged(out):
    place = Location.of(out) / ".stage"
    return [str(file).removeprefix(f"{place}/") for file in place.files()]


def whole(store, out, **options):
    build_views(store, online_spine(store), out, "online", VIEWS, now=NOW, **options)
    return rows_of(out)


@pytest.mark.parametrize("bucket", [0, 2])
def test_a_build_that_failed_in_a_bucket_goes_on(store, tmp_path, bucket):
    damaged, kept = store.path("bureau", bucket).path, tmp_path / "kept"
    shutil.copy(damaged, kept)
    damaged.write_bytes(b"no parquet")
    with pytest.raises(StepError, match=f"bucket {bucket}: "):
        build_views(store, online_spine(store), tmp_path / "out", "online", VIEWS, now=NOW)
    assert rows_of(tmp_path / "out") == {}
    shutil.copy(kept, damaged)
    built = build_views(store, online_spine(store), tmp_path / "out", "online", VIEWS, now=LATER)
    assert built.resumed == bucket
    assert built.manifest.created_ts == NOW, "all rows of a run are of one build"
    assert built.manifest.rows == 40
    assert rows_of(tmp_path / "out") == whole(store, tmp_path / "at-once")
    assert staged(tmp_path / "out") == []


KILLED = """
import os, signal, sys
from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.spine import Spine, online_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.ingest.events import EventStore

store = EventStore(sys.argv[1])
def rows(bucket):
    if bucket == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return online_spine(store).for_bucket(bucket)
views = tuple(load_catalogue().view(name) for name in ("application", "bureau"))
build_views(store, Spine("online", rows), sys.argv[2], "online", views)
"""


def test_a_killed_build_goes_on_and_computes_nothing_twice(store, tmp_path):
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(store.root), str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (stage,) = (out / ".stage" / "online").iterdir()
    before = {path.relative_to(stage): path.stat().st_mtime_ns for path in stage.glob("*/bucket-*")}
    assert len(before) == 2 * len(VIEWS)
    litter = stage / "bureau" / ".bucket-0002.parquet.abc" / "bucket-0002.parquet"
    litter.parent.mkdir()
    litter.write_bytes(b"half a fi")
    built = build_views(store, online_spine(store), out, "online", VIEWS)
    assert built.resumed == 2
    after = {name: (out / name.parent / "online" / name.name).stat().st_mtime_ns for name in before}
    assert after == before
    here = tmp_path / "here"
    build_views(store, online_spine(store), here, "online", VIEWS, now=built.manifest.created_ts)
    assert rows_of(out) == rows_of(here)


def interrupted(store, out, spine):
    def failing(bucket):
        if bucket == 2:
            raise StepError("cut short")
        return spine.for_bucket(bucket)

    with pytest.raises(StepError, match="cut short"):
        build_views(store, Spine(spine.fingerprint, failing), out, "online", VIEWS, now=NOW)
    assert len(staged(out)) == 2 * len(VIEWS) + 1


def test_a_stage_of_other_inputs_is_dropped(store, tmp_path):
    interrupted(store, tmp_path / "out", online_spine(store))
    left = staged(tmp_path / "out")
    interrupted(store, tmp_path / "out", training_spine(store))
    assert not set(staged(tmp_path / "out")) & set(left)
    assert build_views(store, online_spine(store), tmp_path / "out", "online", VIEWS).resumed == 0


def test_a_forced_build_takes_up_nothing(store, tmp_path):
    interrupted(store, tmp_path / "out", online_spine(store))
    built = build_views(store, online_spine(store), tmp_path / "out", "online", VIEWS, force=True, now=LATER)
    assert (built.resumed, built.manifest.created_ts) == (0, LATER)


def test_a_second_build_of_a_run_is_refused_while_the_first_goes_on(store, tmp_path):
    out = Location.of(tmp_path / "out")
    with claimed(out, "online"):
        with pytest.raises(StepError, match="run online is being built by another process"):
            build_views(store, online_spine(store), out, "online", VIEWS)
        build_views(store, online_spine(store), out, "other", VIEWS)
    assert not build_views(store, online_spine(store), out, "online", VIEWS).skipped


def test_one_machine_needs_no_ray(store, tmp_path):
    code = (
        "import sys; from credit.cli import run; "
        "assert run(['features', 'build', '--view', 'demographics']) == 0; assert 'ray' not in sys.modules"
    )
    environment = {**os.environ, "CREDIT_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--engine", "ray"], "which Ray"),
        (["--ray-address", "127.0.0.1:1"], "goes with --engine ray"),
        (["--engine", "ray", "--ray-address", "127.0.0.1:1"], "cannot join the Ray at 127.0.0.1:1"),
    ],
)
def test_the_engine_and_its_address_belong_together(store, tmp_path, monkeypatch, capsys, arguments, advice):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert run(["features", "build", *arguments]) == 1
    assert advice in capsys.readouterr().err


@pytest.fixture(scope="module")
def endpoint():
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as address:
        yield address


@pytest.fixture
def bucket(endpoint, tmp_path):
    return Location.of(f"s3://{BUCKET}/{tmp_path.name}", endpoint)


def test_object_storage_holds_the_same_bytes(raw, store, bucket, tmp_path):
    out = bucket / "offline"
    outcome = ingest_to(raw, bucket / "events", Options(buckets=4))
    assert ingest_to(raw, bucket / "events", Options(buckets=4)).unchanged
    remote = EventStore(bucket / "events")
    assert outcome.store.meta == remote.meta
    interrupted(remote, out, online_spine(remote))
    (out / "bureau" / "online" / "bucket-0009.parquet").write_bytes(b"of an older run with more buckets")
    built = build_views(remote, online_spine(remote), out, "online", VIEWS, now=LATER)
    assert built.resumed == 2
    assert rows_of(out) == whole(store, tmp_path / "here")
    assert staged(out) == []
    assert build_views(remote, online_spine(remote), out, "online", VIEWS).skipped


def test_a_copy_that_is_cut_short_leaves_no_manifest(store, bucket, monkeypatch):
    out = bucket / "offline"
    whole(store, out)
    with monkeypatch.context() as patched:
        patched.setattr(publication, "_copy", lambda *_: (_ for _ in ()).throw(OSError("network")))
        with pytest.raises(OSError, match="network"):
            whole(store, out, force=True)
    assert read_manifest(out, "online") is None
    assert build_views(store, online_spine(store), out, "online", VIEWS).resumed == 4


def test_an_upload_of_events_that_is_cut_short_does_not_count(raw, bucket, monkeypatch):
    ingest_to(raw, bucket / "events", Options(buckets=4))
    with monkeypatch.context() as patched:
        patched.setattr(Location, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError("network")))
        with pytest.raises(OSError, match="network"):
            ingest_to(raw, bucket / "events", Options(buckets=3))
    assert ingest_to(raw, bucket / "events", Options(buckets=3)).store.buckets == 3
    assert all("0003" not in file.name for file in (bucket / "events").files())


def test_the_last_build_to_begin_takes_a_run_over(store, bucket):
    out = bucket / "offline"
    with claimed(out, "online") as first, claimed(out, "online") as second:
        second.check()
        with pytest.raises(StepError, match="another build of run online has begun"):
            first.check()
