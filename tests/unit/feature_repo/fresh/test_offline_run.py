import pyarrow as pa
import pytest
from offline_rows import BUILT, random_rows
from s3_server import BUCKET, s3_server

from credit.clock import bucket_of
from credit.errors import CreditError
from feature_repo.aggregates.manifest import read_manifest
from feature_repo.catalogue import load_catalogue
from feature_repo.fresh import offline_run
from feature_repo.fresh.offline_run import append_run
from feature_repo.storage import Location

VIEWS = load_catalogue().views[:2]
TABLES = {view.name: random_rows(view, 20) for view in VIEWS}
BUCKETS = 16


@pytest.fixture(scope="module")
def endpoint():
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as address:
        yield address


@pytest.fixture(params=["local", "s3"])
def out(request, tmp_path, endpoint):
    """An empty offline store of either kind."""
    if request.param == "local":
        return Location.of(tmp_path / "offline")
    return Location.of(f"s3://{BUCKET}/{tmp_path.name}", endpoint)


def test_a_run_holds_every_row_in_the_file_of_its_bucket_and_ends_with_a_manifest(out):
    run = append_run(out, TABLES, BUILT, BUCKETS)
    manifest = read_manifest(out, run)
    assert (manifest.rows, manifest.buckets, manifest.created_ts) == (20, BUCKETS, BUILT)
    assert manifest.features == {view.name: len(view.features) for view in VIEWS}
    for name, rows in TABLES.items():
        files = {file.name: file.read_table() for file in (out / name / run).files()}
        for bucket, file in ((int(name[7:11]), table) for name, table in files.items()):
            assert set(bucket_of(file["SK_ID_CURR"].to_numpy(), BUCKETS)) == {bucket}
        assert pa.concat_tables(files.values()).sort_by("SK_ID_CURR").equals(rows)
    assert {file.url.removeprefix(out.url).split("/")[1] for file in out.files()} == {*TABLES, ".runs"}


def test_a_run_that_cannot_be_finished_leaves_nothing(out, monkeypatch):
    """Whatever was put into the views' folders is taken back: readers of a view do not ask for manifests."""

    def failing(*_):
        raise CreditError("the disk is full")

    monkeypatch.setattr(offline_run, "_manifest", failing)
    with pytest.raises(CreditError, match="the disk is full"):
        append_run(out, TABLES, BUILT, BUCKETS)
    assert out.files() == []
