import pickle

import pyarrow as pa
import pytest
from s3_server import BUCKET, s3_server

from credit.errors import SettingsError, StepError
from feature_repo.sql_engine import connect
from feature_repo.storage import Location


@pytest.fixture(scope="module")
def endpoint():
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as address:
        yield address


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path, endpoint):
    """An empty folder of either kind."""
    if request.param == "local":
        return Location.of(tmp_path)
    return Location.of(f"s3://{BUCKET}/{tmp_path.name}/", endpoint)


ROWS = pa.table({"a": [1, 2, 3], "b": ["x", None, ""]})


def test_files_are_written_read_listed_copied_and_removed(folder):
    assert folder.files() == []
    assert (folder / "nothing").read_bytes() is None
    (folder / "one" / "deep" / "a.parquet").write_table(ROWS)
    (folder / "two" / "text").write_bytes(b"old")
    (folder / "two" / "text").write_bytes(b"new")
    (folder / "two" / "text").copy_to(folder / "two" / "copy")
    found = [str(file).removeprefix(str(folder)) for file in folder.files()]
    assert found == ["/one/deep/a.parquet", "/two/copy", "/two/text"]
    assert (folder / "two" / "copy").read_bytes() == b"new"
    assert (folder / "one" / "deep" / "a.parquet").read_table(["b"]).equals(ROWS.select(["b"]))
    assert (folder / "one" / "deep" / "a.parquet").footer().num_rows == 3
    for absent_or_not in ("one", "one", "two/text"):
        (folder / absent_or_not).remove()
    assert [file.name for file in folder.files()] == ["copy"]


def test_equal_tables_are_equal_bytes_everywhere(tmp_path, endpoint):
    places = [Location.of(tmp_path), Location.of(f"s3://{BUCKET}/bytes", endpoint)]
    for place in places:
        (place / "rows.parquet").write_table(ROWS)
    assert len({(place / "rows.parquet").read_bytes() for place in places}) == 1


def test_duckdb_reads_them(folder):
    for name in ("a", "b"):
        (folder / name / "rows.parquet").write_table(ROWS)
    with connect() as connection:
        for _ in range(2):
            folder.attach(connection)
        files = [str(file) for file in folder.files()]
        assert connection.execute("SELECT sum(a) FROM read_parquet(?)", [files]).fetchall() == [(12,)]


def test_a_location_travels(folder):
    (folder / "rows.parquet").write_table(ROWS)
    assert pickle.loads(pickle.dumps(folder / "rows.parquet")).read_table().equals(ROWS)


def test_parts_of_a_location(tmp_path):
    remote = Location.of("gs://bucket/prefix/")
    assert (str(remote / "a"), (remote / "a").name, str((remote / "a").parent)) == (
        "gs://bucket/prefix/a",
        "a",
        "gs://bucket/prefix",
    )
    assert Location.of(tmp_path / "x").path == tmp_path / "x"
    with pytest.raises(TypeError, match="not a local file"):
        _ = remote.path


@pytest.mark.parametrize("place", ["ftp://host/x", "s3://", "http://x"])
def test_other_places_are_refused(place):
    with pytest.raises(SettingsError, match="no place for files"):
        Location.of(place)


def test_a_server_that_does_not_answer_is_said_so(endpoint):
    with pytest.raises(StepError, match="does not answer"):
        Location.of("s3://no-such-bucket-of-ours/x", "http://127.0.0.1:9").check()
