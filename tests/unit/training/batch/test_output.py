"""A run's folder: taken up, never mixed, whole only with its manifest."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credit.errors import StepError
from credit.schemas.decision import ModelVersion
from feature_repo.aggregates.manifest import RunIdentity
from feature_repo.storage import Location
from training.batch.output import BatchManifest, Counts, Label, RunFolder, Scoring, total, write_bucket

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SCORING = Scoring(
    model=ModelVersion(name="credit-scoring", version="3", bundle="a" * 64),
    features=(RunIdentity(run="online", inputs="b" * 64, created_ts=NOW),),
    buckets=2,
    language="en",
)
OTHERS = {
    "version 4": {"model": ModelVersion(name="credit-scoring", version="4", bundle="a" * 64)},
    "bundle cccccccccccc": {"model": ModelVersion(name="credit-scoring", version="3", bundle="c" * 64)},
    "other features": {"features": (RunIdentity(run="online", inputs="d" * 64, created_ts=NOW),)},
    "other options": {"language": None},
}
COUNTS = Counts(approved=2, refused=1, errors={"incomplete_features": 1})


@pytest.fixture
def folder(tmp_path):
    return RunFolder(Location.of(tmp_path), "run")


def write(folder, bucket, scoring=SCORING, counts=COUNTS):
    label = Label(scoring=scoring.digest, counts=counts)
    write_bucket(folder.folder, bucket, pa.table({"client_id": [bucket]}), label)


def test_a_run_is_begun_once_and_taken_up_with_its_first_moment(folder):
    assert folder.check(SCORING) is None
    first = folder.begin(SCORING, NOW)
    write(folder, 1)
    again = folder.begin(SCORING, NOW.replace(year=2027))
    assert again == first
    assert folder.finished(SCORING) == {1: COUNTS}
    assert not folder.is_complete()


@pytest.mark.parametrize("named", OTHERS)
def test_another_model_other_features_or_options_are_never_mixed_in(folder, named):
    folder.begin(SCORING.model_copy(update=OTHERS[named]), NOW)
    with pytest.raises(StepError, match=f"{named}.*--force"):
        folder.begin(SCORING, NOW)


def test_files_without_a_readable_plan_are_left_alone(folder):
    write(folder, 0)
    with pytest.raises(StepError, match="without a plan"):
        folder.begin(SCORING, NOW)
    (folder.folder / "_plan.json").write_bytes(b"{}")
    with pytest.raises(StepError, match="cannot read"):
        folder.check(SCORING)
    assert pq.read_table(folder.folder.path / "bucket-0000.parquet")["client_id"].to_pylist() == [0]


def test_files_that_are_broken_or_of_something_else_are_not_finished(folder):
    folder.begin(SCORING, NOW)
    write(folder, 0)
    write(folder, 1, SCORING.model_copy(update={"language": "fr"}))
    (folder.folder / "bucket-0002.parquet").write_bytes(b"PAR1 no more")
    (folder.folder / "bucket-0003.parquet").write_table(pa.table({"client_id": [1]}))
    assert folder.finished(SCORING) == {0: COUNTS}


def test_clearing_removes_what_a_run_wrote_and_nothing_else(folder):
    folder.begin(SCORING, NOW)
    write(folder, 0)
    folder.complete(SCORING, COUNTS)
    (folder.folder / "notes.txt").write_bytes(b"mine")
    folder.clear()
    assert [path.name for path in folder.folder.path.iterdir()] == ["notes.txt"]
    assert folder.begin(SCORING, NOW).scoring == SCORING


def test_the_manifest_says_what_the_run_holds_and_readers_of_parquet_skip_it(folder):
    folder.begin(SCORING, NOW)
    write(folder, 0)
    write(folder, 1)
    manifest = folder.complete(SCORING, total(folder.finished(SCORING).values()))
    stored = (folder.folder / "_manifest.json").read_bytes()
    assert BatchManifest.model_validate_json(stored) == manifest
    assert (manifest.clients, manifest.scored, manifest.counts.errors) == (8, 6, {"incomplete_features": 2})
    assert folder.is_complete()
    assert sorted(pq.read_table(folder.folder.path)["client_id"].to_pylist()) == [0, 1]


def test_counts_add_up_by_code():
    one, other = Counts(approved=1, errors={"a": 1}), Counts(referred=2, errors={"a": 2, "b": 1})
    assert total([one, other]) == Counts(approved=1, referred=2, errors={"a": 3, "b": 1})
    assert total([]) == Counts()
