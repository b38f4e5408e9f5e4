"""Pushed applications and rows on a real registry and a real Redis, compared with what the night's build computes.

Importing Feast takes seconds, so one platform folder serves the whole module; tests use clients of their own, and the
last one lets the night pass.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from feast_registry import register
from kaggle_tables import KaggleTables, default_row, random_tables
from offline_rows import random_rows
from redis_servers import free_port, redis_server

from credit.cli import run
from credit.clock import WEEKDAYS, Calendar, application_times, bucket_of
from credit.errors import DataError, FeatureError, SettingsError, StoreUnavailableError
from credit.platform import Home
from credit.schemas.categories import known_categories
from credit.schemas.features import ViewBatch, ViewStatus
from feature_repo.aggregates.compute import compute_view
from feature_repo.catalogue import View, load_catalogue, online_view_specs
from feature_repo.ingest.events import EVENT_TABLES, EventStore
from feature_repo.ingest.pipeline import Options, ingest
from feature_repo.online_access import online_reader
from feature_repo.settings import FeatureSettings
from feature_repo.storage import Location

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis"),
]

PRESENT = datetime(2025, 7, 1, tzinfo=UTC)
CATALOGUE = load_catalogue()
ONLINE = [view for view in CATALOGUE.views if view.online]
HISTORY = [view for view in ONLINE if any(relation.name != "application_form" for relation in view.relations)]
NEW, WITH_HISTORY = 900_001, 100_001


@pytest.fixture(scope="module")
def tables() -> KaggleTables:
    crowd = random_tables(30, seed=5, later=True)
    crowd.present(PRESENT)
    return crowd


@pytest.fixture(scope="module")
def home(tables: KaggleTables, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("platform")
    with redis_server(folder / "redis") as server, pytest.MonkeyPatch.context() as patch:
        home = Home(folder / "home")
        patch.setenv("CREDIT_HOME", str(home.root))
        patch.setenv("FEATURES_REDIS_URL", server.url)
        ingest(tables.write(home.raw), home.events, Options(buckets=2))
        assert run(["features", "build"]) == 0
        register(home)
        assert run(["features", "materialize"]) == 0
        yield home


def application(client_id: int, **values: Any) -> dict[str, Any]:
    return default_row("application_test", SK_ID_CURR=client_id, **values)


def push(folder: Path, rows: list[dict[str, Any]], *options: str) -> int:
    path = folder / "new.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return run(["features", "push", "--application", str(path), *options])


def online(*clients: int) -> dict[str, ViewBatch]:
    reader = online_reader(FeatureSettings(), online_view_specs(CATALOGUE))
    try:
        return reader.read(clients)
    finally:
        reader.close()


def statuses(client_id: int) -> set[ViewStatus]:
    return {status for batch in online(client_id).values() for status in batch.status}


def assert_online(batch: ViewBatch, row: pa.Table) -> None:
    """The batch of one client is, value for value, the Arrow row."""
    assert batch.as_of_us.tolist() == row["as_of"].cast(pa.int64()).to_pylist()
    expected = [row[name].cast(pa.float64()).to_numpy(zero_copy_only=False)[0] for name in batch.spec.numeric]
    np.testing.assert_array_equal(batch.numeric[0], expected)
    assert list(batch.strings[0]) == [row[name][0].as_py() for name in batch.spec.strings]


def built(home: Home, view: View, client_id: int, run_name: str = "online") -> pa.Table:
    rows = ds.dataset(home.offline / view.name / run_name).to_table(filter=ds.field("SK_ID_CURR") == client_id)
    assert rows.num_rows == 1
    return rows


def drawn_t0(row: dict[str, Any]) -> datetime:
    """The T0 that ingestion will give to an application."""
    weekday = WEEKDAYS.index(row["WEEKDAY_APPR_PROCESS_START"])
    drawn = application_times(
        np.array([row["SK_ID_CURR"]]), np.array([weekday]), np.array([row["HOUR_APPR_PROCESS_START"]]), Calendar()
    )
    moment: datetime = drawn.astype(datetime)[0]
    return moment.replace(tzinfo=UTC)


def test_the_catalogue_knows_who_serves_each_feature(home: Home) -> None:
    from feature_repo.catalogue.services import DECISION, FAIRNESS, services_of
    from feature_repo.store import service_contract

    for service in (DECISION, FAIRNESS):
        served = {one.name for one in service_contract(home, service).features if one.view is not None}
        assert served == {one.name for view in CATALOGUE.views for one in view.features if service in services_of(one)}


def test_a_known_client_keeps_its_history_as_it_stood_at_the_new_application(home: Home, tmp_path: Path) -> None:
    store = EventStore(home.events)
    bucket = int(bucket_of(np.array([WITH_HISTORY]), store.buckets)[0])
    category = next(
        one for one in CATALOGUE.view("application").features if one.sql in known_categories()["application"]
    )
    new = application(WITH_HISTORY, AMT_CREDIT=123_456.0, **{category.sql: "Astronaut"})
    before = online(WITH_HISTORY)
    assert push(tmp_path, [new]) == 0
    after = online(WITH_HISTORY)
    paths = {table: store.path(table, bucket) for table in EVENT_TABLES}
    spine = pa.table({"SK_ID_CURR": [WITH_HISTORY], "as_of": pa.array([PRESENT], pa.timestamp("us", "UTC"))})
    for view in HISTORY:
        assert_online(after[view.name], compute_view(view, paths, spine))
    assert set(np.concatenate([after[view.name].built_us for view in ONLINE])) == {after["application"].built_us[0]}
    assert after["application"].built_us[0] > before["application"].built_us[0]
    spec = after["application"].spec
    assert after["application"].numeric[0][spec.numeric.index("amt_credit")] == 123_456.0
    assert after["application"].strings[0][spec.strings.index(category.name)] == "UNKNOWN"
    assert before["application"].numeric[0][spec.numeric.index("amt_credit")] != 123_456.0


def test_an_older_push_changes_nothing_and_says_so(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client_id = next(row["SK_ID_CURR"] for row in clients(home) if row["online_as_of"] == PRESENT)
    before = online(client_id)
    day_before = (PRESENT - timedelta(days=1)).isoformat()
    assert push(tmp_path, [application(client_id), application(NEW + 7)], "--at", day_before, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["clients"], report["kept"]) == (2, [client_id])
    for name, batch in online(client_id).items():
        np.testing.assert_array_equal(batch.numeric, before[name].numeric)
        assert (batch.as_of_us, batch.built_us) == (before[name].as_of_us, before[name].built_us)
    assert statuses(NEW + 7) == {ViewStatus.PRESENT}


def clients(home: Home) -> list[dict[str, Any]]:
    store = EventStore(home.events)
    return [row for bucket in range(store.buckets) for row in store.clients(bucket).to_pylist()]


def test_a_moment_before_a_clients_newest_application_or_in_the_future_is_refused(home: Home, tmp_path: Path) -> None:
    from feature_repo.fresh.applications import checked_applications
    from feature_repo.push import push_applications

    newest = max(clients(home), key=lambda row: row["t0"])
    new = checked_applications([application(newest["SK_ID_CURR"]), application(NEW + 8)])
    with pytest.raises(DataError, match=f"client {newest['SK_ID_CURR']} applied at"):
        push_applications(home, new, newest["t0"] - timedelta(microseconds=1))
    with pytest.raises(DataError, match="lies in the future"):
        push_applications(home, new, datetime.now(UTC) + timedelta(days=1))
    assert statuses(NEW + 8) == {ViewStatus.NOT_FOUND}
    assert push_applications(home, new, newest["t0"]).clients == 2


def test_rows_computed_elsewhere_are_pushed_and_become_history(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from feature_repo.aggregates.manifest import read_manifest
    from feature_repo.store import historical_features

    view = HISTORY[-1]
    rows = random_rows(view, 3, as_of=PRESENT).drop_columns(["created_ts"])
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, default=str) for row in rows.to_pylist()))
    spine = rows.select(["SK_ID_CURR", "as_of"])
    arguments = ["features", "push", "--view", view.name, "--rows", str(path), "--json"]
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["run"] is None
    assert run([*arguments, "--offline"]) == 0
    run_name = json.loads(capsys.readouterr().out)["run"]
    for at, client_id in enumerate(rows["SK_ID_CURR"].to_pylist()):
        assert_online(online(client_id)[view.name], rows.slice(at, 1))
    manifest = read_manifest(Location.of(home.offline), run_name)
    assert manifest is not None
    assert (manifest.rows, manifest.features) == (3, {view.name: len(view.features)})
    for path in (home.offline / view.name / run_name).iterdir():
        bucket = int(path.stem.rpartition("-")[2])
        assert set(bucket_of(ds.dataset(path).to_table()["SK_ID_CURR"].to_numpy(), 2)) == {bucket}
    history = historical_features(home, spine, "credit_scoring_v1")
    for name in (feature.name for feature in view.features):
        assert history[name].combine_chunks().equals(rows[name].combine_chunks()), name


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "push either --application FILE, or --view NAME"),
        (["--application", "a.json", "--rows", "b.json"], "push either --application FILE, or --view NAME"),
        (["--rows", "b.json"], "push either --application FILE, or --view NAME"),
        (["--application", "a.json", "--at", "yesterday"], "is no timestamp"),
        (["--view", "bureau", "--rows", "b.json", "--at", "2024-01-01"], "belong to --application"),
        (["--view", "loans", "--rows", "b.json"], "no view is called loans"),
    ],
)
def test_wrong_options_are_told(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", "push", *arguments]) == 1
    assert text in capsys.readouterr().err


def test_protected_views_rows_of_nulls_and_unregistered_views_are_refused(home: Home) -> None:
    from feature_repo.push import push_rows

    offline_view = next(view for view in CATALOGUE.views if not view.online)
    with pytest.raises(FeatureError, match="kept offline"):
        push_rows(home, offline_view, random_rows(offline_view, 1).drop_columns(["created_ts"]))
    rows = random_rows(HISTORY[0], 1).drop_columns(["created_ts"])
    nulls = [pa.nulls(1, field.type) if at > 1 else rows.column(at) for at, field in enumerate(rows.schema)]
    with pytest.raises(FeatureError, match="rows of nulls only"):
        push_rows(home, HISTORY[0], pa.table(nulls, schema=rows.schema))
    longer = HISTORY[0].model_copy(update={"features": HISTORY[0].features[1:]})
    with pytest.raises(FeatureError, match="not registered with the features of the catalogue"):
        push_rows(home, longer, rows)


def test_an_unreachable_store_fails_the_command(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    assert push(tmp_path, [application(NEW)]) == 1
    assert "Redis" in capsys.readouterr().err


def test_a_machine_without_events_takes_only_new_clients_and_only_when_told(home: Home, tmp_path: Path) -> None:
    from feature_repo.fresh.applications import checked_applications
    from feature_repo.push import PushOptions, push_applications

    bare = Home(tmp_path / "bare")
    shutil.copytree(home.root / "feast", bare.root / "feast")
    new, at = checked_applications([application(NEW + 20)]), PRESENT
    with pytest.raises(DataError, match=r"no ingested events.*--no-history"):
        push_applications(bare, new, at)
    alone = PushOptions(no_history=True)
    with pytest.raises(SettingsError, match="say with --at"):
        push_applications(bare, new, None, alone)
    with pytest.raises(SettingsError, match="--no-history is for machines without events"):
        push_applications(home, new, at, alone)
    with pytest.raises(DataError, match=rf"online already(.|\n)*client {WITH_HISTORY}"):
        push_applications(bare, checked_applications([application(WITH_HISTORY)]), at, alone)
    assert push_applications(bare, new, at, alone).clients == 1
    assert statuses(NEW + 20) == {ViewStatus.PRESENT}
    count = next(feature.name for feature in HISTORY[0].features if feature.empty == 0)
    batch = online(NEW + 20)[HISTORY[0].name]
    assert batch.numeric[0][batch.spec.numeric.index(count)] == 0
    with pytest.raises(DataError, match="holds no ingested events"):
        push_applications(bare, checked_applications([application(NEW + 21)]), at, replace(alone, offline=True))
    assert statuses(NEW + 21) == {ViewStatus.NOT_FOUND}


def test_views_that_refuse_come_last() -> None:
    from feature_repo.fresh.online import push_order

    order = [view.missing_policy for view in push_order(list(reversed(ONLINE)))]
    assert order[-1] == "refuse"
    assert order == sorted(order, key=["impute", "refer", "refuse"].index)


def test_a_half_pushed_client_lacks_the_views_that_refuse(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store fails as the last view is written: what was pushed before must not be enough for a score."""
    from feature_repo.fresh.applications import checked_applications
    from feature_repo.fresh.online import push_order
    from feature_repo.online.store import PackedRedisOnlineStore
    from feature_repo.push import push_applications

    last, write = push_order(ONLINE)[-1].name, PackedRedisOnlineStore.online_write_batch

    def failing(self: Any, config: Any, table: Any, *rest: Any) -> None:
        if table.name == last:
            raise StoreUnavailableError("Redis went away")
        write(self, config, table, *rest)

    monkeypatch.setattr(PackedRedisOnlineStore, "online_write_batch", failing)
    with pytest.raises(StoreUnavailableError, match="went away"):
        push_applications(home, checked_applications([application(NEW + 30)]))
    found = online(NEW + 30)
    assert {name for name, batch in found.items() if batch.status[0] is ViewStatus.NOT_FOUND} == {last}
    assert next(view.missing_policy for view in ONLINE if view.name == last) == "refuse"


def test_a_new_client_is_scorable_at_once_with_what_the_night_will_build(
    home: Home, tables: KaggleTables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = application(NEW, AMT_CREDIT=77_777.25, OCCUPATION_TYPE=None, EXT_SOURCE_2=0.625)
    assert statuses(NEW) == {ViewStatus.NOT_FOUND}
    assert push(tmp_path, [new], "--at", drawn_t0(new).isoformat(), "--offline", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    pushed = online(NEW)
    assert {status for batch in pushed.values() for status in batch.status} == {ViewStatus.PRESENT}
    assert report["kept"] == []

    # The night: the application is among the ingested ones.
    tables.client(NEW, None, **{name: value for name, value in new.items() if name != "SK_ID_CURR"})
    ingest(tables.write(home.raw), home.events, Options(buckets=2))
    assert run(["features", "build"]) == 0
    for view in CATALOGUE.views:
        night, day = built(home, view, NEW), built(home, view, NEW, report["run"])
        assert night.drop_columns(["created_ts"]).equals(day.drop_columns(["created_ts"])), view.name
        if view.online:
            assert_online(pushed[view.name], night)
    assert run(["features", "materialize"]) == 0
    for name, batch in online(NEW).items():
        assert batch.built_us[0] > pushed[name].built_us[0]
        np.testing.assert_array_equal(batch.numeric, pushed[name].numeric)
