"""Which files hold the same clients, and the newest row per client: against a plain loop over all rows."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:feast")]

from credit.errors import FeatureError  # noqa: E402 - feast warns when it is imported
from feature_repo.aggregates.manifest import RunManifest, manifest_file  # noqa: E402
from feature_repo.storage import Location  # noqa: E402

T0 = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema([("SK_ID_CURR", pa.int64()), ("as_of", TIME), ("created_ts", TIME), ("x", pa.int64())])


def view_of(path):
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Int64

    source = FileSource(name="s", path=str(path), timestamp_field="as_of", created_timestamp_column="created_ts")
    client = Entity(name="client", join_keys=["SK_ID_CURR"], value_type=ValueType.INT64)
    return FeatureView(name="v", entities=[client], schema=[Field(name="x", dtype=Int64)], source=source)


def write(folder, run, bucket, rows):
    """Rows are (client, days of as_of, hours of created, x)."""
    columns = [
        {"SK_ID_CURR": client, "as_of": T0 + timedelta(days=day), "created_ts": T0 + timedelta(hours=hour), "x": x}
        for client, day, hour, x in rows
    ]
    file = Location.of(folder) / run / f"bucket-{bucket:04d}.parquet"
    file.write_table(pa.Table.from_pylist(columns, SCHEMA))
    return file


def finish(folder, run, buckets):
    manifest = RunManifest(
        run=run, inputs="i", created_ts=T0, buckets=buckets, rows=0, features={"v": 1}, seconds={"v": 0.0}
    )
    manifest_file(Location.of(folder).parent, run).write_bytes(manifest.model_dump_json().encode())


def newest(folder, files, start=-9999, end=9999):
    from feature_repo.compute.buckets import row_columns
    from feature_repo.compute.newest import Window, newest_rows

    window = Window.between(T0 + timedelta(days=start), T0 + timedelta(days=end))
    tables = list(newest_rows(row_columns(view_of(folder)), files, window))
    return sorted((row["SK_ID_CURR"], row["x"]) for table in tables for row in table.to_pylist())


def test_files_of_equal_name_go_together_when_the_runs_have_equally_many(tmp_path):
    from feature_repo.compute.buckets import bucket_groups

    folder = tmp_path / "v"
    for run, buckets in [("a", 2), ("b", 2), ("c", 3), ("unfinished", 1)]:
        for bucket in range(buckets):
            write(folder, run, bucket, [])
        if run != "unfinished":
            finish(folder, run, buckets)
    groups = [[f"{file.parent.name}/{file.name[7:11]}" for file in group] for group in bucket_groups(view_of(folder))]
    assert groups == [
        ["a/0000", "b/0000"],
        ["a/0001", "b/0001"],
        ["c/0000"],
        ["c/0001"],
        ["c/0002"],
        ["unfinished/0000"],
    ]


def test_other_sources_are_not_ours(tmp_path):
    from feature_repo.compute.buckets import bucket_groups

    file = write(tmp_path / "v", "a", 0, [])
    assert bucket_groups(view_of(tmp_path / "v")) is not None
    (tmp_path / "v" / "a" / "notes.txt").write_text("mine")
    for path in (tmp_path / "v", file, f"{tmp_path}/v/*/*.parquet", tmp_path / "absent"):
        assert bucket_groups(view_of(path)) is None, path


rows = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 6), st.integers(0, 3)), max_size=12, unique_by=lambda row: row
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(rows, min_size=1, max_size=3), start=st.integers(0, 6), length=st.integers(0, 6))
def test_the_newest_row_of_each_client_in_the_window(tmp_path_factory, runs, start, length):
    folder = tmp_path_factory.mktemp("v")
    best, files = {}, []
    for number, run in enumerate(runs):
        named = [(*row, 100 * number + index) for index, row in enumerate(run)]
        files.append(write(folder, f"run-{number}", 0, named))
        for client, day, hour, x in named:
            if start <= day <= start + length and (day, hour, number) >= best.get(client, ((-1,),))[0][:3]:
                best[client] = ((day, hour, number), x)
    expected = sorted((client, x) for client, (_, x) in best.items())
    assert newest(folder, files, start, start + length) == expected


def test_a_file_outside_of_the_window_is_not_read(tmp_path):
    old, new = write(tmp_path, "a", 0, [(1, 0, 0, 1), (2, 5, 0, 2)]), write(tmp_path, "b", 0, [(1, 30, 0, 3)])
    assert newest(tmp_path, [old, new]) == [(1, 3), (2, 2)]
    content = bytearray(old.read_bytes())
    end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[4:end] = bytes(end - 4)  # only the footer is left
    old.write_bytes(bytes(content))
    assert newest(tmp_path, [old, new], start=6) == [(1, 3)]
    assert newest(tmp_path, [old], start=6) == []
    with pytest.raises(Exception, match=r".+"):
        newest(tmp_path, [old, new], start=5)


def test_a_run_of_another_catalogue_is_named(tmp_path):
    other = Location.of(tmp_path) / "old-run" / "bucket-0000.parquet"
    other.write_table(pa.Table.from_pylist([{"SK_ID_CURR": 1, "as_of": T0, "created_ts": T0}], SCHEMA.remove(3)))
    with pytest.raises(FeatureError, match="lacks x: run old-run is of another catalogue"):
        newest(tmp_path, [other])
