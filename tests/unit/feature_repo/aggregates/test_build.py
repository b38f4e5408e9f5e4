import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from kaggle_tables import random_tables
from typer.testing import CliRunner

from credit.errors import DataError, FeatureError
from feature_repo.aggregates import publication
from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.compute import view_schema
from feature_repo.aggregates.manifest import read_manifest
from feature_repo.aggregates.spine import Spine, file_spine, online_spine, training_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.cli.features import app
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest
from feature_repo.storage import Location

VIEWS = tuple(load_catalogue().view(name) for name in ("application", "bureau"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A platform folder whose events hold 40 clients in 3 buckets, of whom some live on after T0."""
    folder = tmp_path_factory.mktemp("home")
    ingest(random_tables(40, seed=3, later=True).write(folder / "raw"), folder / "events", Options(buckets=3))
    return folder


@pytest.fixture
def store(home):
    return EventStore(home / "events")


def files(out):
    """What is there by relative path, without the stage of an unfinished build."""
    found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".stage/")}


def spine_file(folder, rows):
    path = folder / "spine.parquet"
    schema = pa.schema([("SK_ID_CURR", pa.int64()), ("as_of", pa.timestamp("us", tz="UTC"))])
    pq.write_table(pa.Table.from_pylist([{"SK_ID_CURR": client, "as_of": at} for client, at in rows], schema), path)
    return path


def test_a_run_holds_every_client_of_the_spine_once_in_every_view(store, tmp_path):
    built = build_views(store, online_spine(store), tmp_path, "online", VIEWS)
    assert (built.skipped, built.manifest.rows) == (False, 40)
    expected = sorted(
        (row["SK_ID_CURR"], row["online_as_of"]) for bucket in range(3) for row in store.clients(bucket).to_pylist()
    )
    for view in VIEWS:
        table = ds.dataset(tmp_path / view.name / "online").to_table()
        assert sorted(zip(table["SK_ID_CURR"].to_pylist(), table["as_of"].to_pylist(), strict=True)) == expected
        assert table.schema.names[2] == "created_ts"
        assert table.drop_columns(["created_ts"]).schema.equals(view_schema(view))
        assert table["created_ts"].unique().to_pylist() == [built.manifest.created_ts]
    assert {as_of for _, as_of in expected} & {store.meta.as_of_now}, "some clients live on"


def test_the_training_spine_holds_labelled_clients_at_their_application(store):
    rows = pa.concat_tables([training_spine(store).for_bucket(bucket) for bucket in range(3)])
    clients = pa.concat_tables([store.clients(bucket) for bucket in range(3)]).to_pylist()
    assert rows.to_pylist() == [
        {"SK_ID_CURR": row["SK_ID_CURR"], "as_of": row["t0"]} for row in clients if row["target"] is not None
    ]
    assert 0 < rows.num_rows < 40


def test_finished_work_is_skipped_until_an_input_changes(store, tmp_path):
    first = build_views(store, training_spine(store), tmp_path, "training", VIEWS)
    before = files(tmp_path)
    assert build_views(store, training_spine(store), tmp_path, "training", VIEWS).skipped
    assert files(tmp_path) == before
    forced = build_views(store, training_spine(store), tmp_path, "training", VIEWS, force=True)
    assert not forced.skipped
    assert forced.manifest.created_ts > first.manifest.created_ts
    longer = VIEWS[1].model_copy(update={"features": VIEWS[1].features[1:]})
    assert not build_views(store, training_spine(store), tmp_path, "training", (VIEWS[0], longer)).skipped
    assert not build_views(store, online_spine(store), tmp_path, "training", VIEWS).skipped


def test_a_failing_build_leaves_the_old_run_untouched(store, tmp_path, monkeypatch):
    build_views(store, online_spine(store), tmp_path, "online", VIEWS)
    before = files(tmp_path)

    def failing(bucket):
        if bucket == 2:
            raise FeatureError("the last bucket fails")
        return online_spine(store).for_bucket(bucket)

    with pytest.raises(FeatureError, match="the last bucket fails"):
        build_views(store, Spine("other", failing), tmp_path, "online", VIEWS)
    assert files(tmp_path) == before


def test_a_run_interrupted_while_it_is_published_does_not_count_as_finished(store, tmp_path, monkeypatch):
    build_views(store, online_spine(store), tmp_path, "online", VIEWS)
    with monkeypatch.context() as patched:
        patched.setattr(publication, "_rename", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        with pytest.raises(OSError, match="disk"):
            build_views(store, online_spine(store), tmp_path, "online", VIEWS, force=True)
    assert read_manifest(Location.of(tmp_path), "online") is None
    assert not build_views(store, online_spine(store), tmp_path, "online", VIEWS).skipped
    assert sorted(path.name for path in tmp_path.iterdir()) == [".runs", ".stage", "application", "bureau"]
    assert not list((tmp_path / ".stage").iterdir())


def test_a_spine_file_may_ask_for_several_moments(store, tmp_path):
    moments = [datetime(2022, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    path = spine_file(tmp_path, [(client, at) for client in (100_005, 100_002) for at in moments])
    built = build_views(store, file_spine(path, store), tmp_path / "out", "asked", VIEWS)
    rows = ds.dataset(tmp_path / "out" / "application" / "asked").to_table().to_pylist()
    assert built.manifest.rows == len(rows) == 4
    assert all((row["amt_credit"] is None) == (row["as_of"] == moments[0]) for row in rows)


@pytest.mark.parametrize(
    ("clients", "problem"),
    [
        ([100_001, 100_001], r"repeats 1 rows(.|\n)*client 100001"),
        ([100_001, 7, 999, 8], r"3 clients of the spine have no application(.|\n)*client 7\n(.|\n)*client 999"),
        ([100_001, None], "nulls in SK_ID_CURR"),
    ],
)
def test_a_wrong_spine_file_is_refused(clients, problem, store, tmp_path):
    path = spine_file(tmp_path, [(client, datetime(2024, 1, 1, tzinfo=UTC)) for client in clients])
    with pytest.raises(DataError, match=problem):
        file_spine(path, store)


def test_a_file_that_is_no_spine_is_refused(store, tmp_path):
    (tmp_path / "text").write_text("SK_ID_CURR,as_of")
    for path in (tmp_path / "text", tmp_path / "absent"):
        with pytest.raises(DataError, match="is no spine"):
            file_spine(path, store)


def test_a_run_name_must_name_a_folder(store, tmp_path):
    with pytest.raises(FeatureError, match="must consist of"):
        build_views(store, online_spine(store), tmp_path, "../online", VIEWS)


def test_the_command_line_reports_as_json_and_skips(home):
    arguments = ["backfill", "--spine", "training", "--home", str(home), "--view", "demographics", "--json"]
    reports = [json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout) for _ in range(2)]
    assert [report["skipped"] for report in reports] == [False, True]
    assert reports[0]["run"] == "training"
    assert reports[0]["features"] == {"demographics": 10}
    assert (home / "offline" / "demographics" / "training" / "bucket-0000.parquet").exists()


def test_the_command_line_refuses_an_unknown_view(home):
    with pytest.raises(FeatureError, match="no view is called loans: choose from application"):
        CliRunner().invoke(app, ["build", "--home", str(home), "--view", "loans"], catch_exceptions=False)
