"""The Feast repo on a real registry and a real Redis: definitions, online store plug-in, engine, both readers.

Importing Feast and applying the repo take seconds each, so one applied platform folder serves the whole module.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from offline_rows import BUILT, FIRST_CLIENT, T0, random_rows, write_offline_store, write_rows
from packed_rows import rows_of, spec_of_types
from redis_servers import RedisProcess, free_port, redis_server

from credit.cli import run
from credit.errors import FeatureError, StoreUnavailableError
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.platform import Home
from credit.schemas.features import FeatureReader, ViewBatch, ViewStatus
from credit.schemas.overrides import OVERRIDABLE, override_field
from feature_repo.catalogue import load_catalogue, online_view_specs
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT, view_of_field
from feature_repo.online.reader import PackedReader

if TYPE_CHECKING:
    from click.testing import Result
    from feast import FeatureStore

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis"),
]

CLIENTS = 2000
REPO = Path(__file__).parents[2] / "feature_repo"
SPECS = online_view_specs(load_catalogue())
ONLINE = sorted(spec.name for spec in SPECS)
NOW_US = pa.scalar(BUILT, pa.timestamp("us", "UTC")).value


class Platform:
    """One platform folder with its Redis."""

    def __init__(self, home: Home, redis: RedisProcess) -> None:
        self.home = home
        self.redis = redis

    def reader(self) -> PackedReader:
        return PackedReader(RedisSettings(url=self.redis.url), PROJECT, SPECS, now_us=lambda: NOW_US)

    def store(self) -> "FeatureStore":
        from feature_repo.store import open_store

        return open_store(self.home)

    def rows(self, view: str) -> pa.Table:
        """What was built, whole."""
        return pq.read_table(self.home.offline / view / "online")

    def feast(self, *arguments: str) -> "Result":
        """Feast's own command line, in this process: importing Feast anew takes ten seconds."""
        from click.testing import CliRunner
        from feast.cli.cli import cli

        return CliRunner().invoke(cli, ["--chdir", str(REPO), *arguments])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with redis_server(folder / "redis", password="secret") as server, pytest.MonkeyPatch.context() as patch:
        home = Home(folder / "home")
        patch.setenv("CREDIT_HOME", str(home.root))
        patch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{server.port}/0")
        patch.setenv("FEATURES_REDIS_PASSWORD", "secret")
        patch.setenv("FEATURES_KEY_TTL_SECONDS", "0")
        write_offline_store(home.offline, CLIENTS)
        assert run(["features", "apply"]) == 0
        yield Platform(home, server)


@pytest.fixture(scope="module")
def materialized(platform: Platform) -> Platform:
    assert run(["features", "materialize"]) == 0
    return platform


def clients_of(count: int = CLIENTS) -> list[int]:
    return list(range(FIRST_CLIENT, FIRST_CLIENT + count))


def assert_holds(batch: ViewBatch, rows: pa.Table) -> None:
    """The batch is, value for value, the Arrow rows in order."""
    as_of = rows["as_of"].cast(pa.int64()).to_numpy()
    np.testing.assert_array_equal(batch.as_of_us, as_of)
    for index, name in enumerate(batch.spec.numeric):
        expected = rows[name].cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(batch.numeric[:, index], expected, err_msg=name)
    strings = [rows[name].to_pylist() for name in batch.spec.strings]
    assert [list(column) for column in zip(*batch.strings, strict=True)] == strings


def test_only_the_definitions_are_feasts() -> None:
    from feast.repo_operations import get_repo_files

    assert [path.name for path in get_repo_files(REPO)] == ["definitions.py"]


def test_what_is_registered_is_the_catalogue(platform: Platform) -> None:
    from feature_repo.store import service_contract

    contract = service_contract(platform.home, "credit_scoring_v1")
    assert contract.views == SPECS
    expected = [(spec.name, column.name) for spec in SPECS for column in spec.columns if column.name not in OVERRIDABLE]
    expected += [(None, name) for name in RATIO_OUTPUTS]
    assert [(feature.view, feature.name) for feature in contract.features] == expected
    assert platform.store().get_entity("client").join_key == "SK_ID_CURR"


def test_no_protected_attribute_is_in_the_decisions_service(platform: Platform) -> None:
    from feature_repo.store import service_contract

    protected = {one.name for view in load_catalogue().views for one in view.features if one.protected}
    decision = {feature.name for feature in service_contract(platform.home, "credit_scoring_v1").features}
    fairness = {feature.name for feature in service_contract(platform.home, "fairness_v1").features}
    assert protected
    assert fairness == protected
    assert not decision & protected
    assert not set(RATIO_INPUTS) & protected


def test_an_unknown_service_says_what_to_do(platform: Platform) -> None:
    from feature_repo.store import service_contract

    with pytest.raises(FeatureError, match="creditctl features apply"):
        service_contract(platform.home, "nothing")


def test_protected_attributes_stay_offline(materialized: Platform) -> None:
    with materialized.redis.client() as client:
        assert client.dbsize() == CLIENTS
        fields = client.hkeys(f"features:credit_scoring:{FIRST_CLIENT}")
        assert {view_of_field(field) for field in fields} == set(ONLINE)


def test_reader_sdk_and_built_rows_are_equal_for_every_client(materialized: Platform) -> None:
    from feature_repo.online.sdk_reader import SdkReader

    unknown = [1, FIRST_CLIENT + CLIENTS]
    asked = [*clients_of(), *unknown]
    packed = materialized.reader().read(asked)
    sdk: FeatureReader = SdkReader(materialized.store(), SPECS, now_us=lambda: NOW_US)
    through_sdk = sdk.read(asked)
    for spec in SPECS:
        ours, theirs = packed[spec.name], through_sdk[spec.name]
        assert ours.status == (ViewStatus.PRESENT,) * CLIENTS + (ViewStatus.NOT_FOUND,) * len(unknown)
        assert ours.status == theirs.status
        np.testing.assert_array_equal(ours.numeric, theirs.numeric)
        np.testing.assert_array_equal(ours.as_of_us, theirs.as_of_us)
        assert ours.strings == theirs.strings
        assert set(ours.built_us[:CLIENTS].tolist()) == {NOW_US}
        assert_holds(materialized.reader().read(clients_of())[spec.name], materialized.rows(spec.name))


def test_the_sdk_reader_answers_for_nobody(materialized: Platform) -> None:
    from feature_repo.online.sdk_reader import SdkReader

    reader = SdkReader(materialized.store(), SPECS)
    reader.ping()
    assert {batch.status for batch in reader.read([]).values()} == {()}
    assert reader.read([5])[ONLINE[0]].status == (ViewStatus.NOT_FOUND,)


def test_a_service_is_served_with_its_on_demand_view(materialized: Platform) -> None:
    store = materialized.store()
    service = store.get_feature_service("credit_scoring_v1")
    asked = [*clients_of(300), 5]
    stated = [None if client % 3 else float(client) for client in asked]
    nothing = dict.fromkeys(map(override_field, OVERRIDABLE))
    rows = [
        {"SK_ID_CURR": client} | nothing | {"override_amt_credit": amount}
        for client, amount in zip(asked, stated, strict=True)
    ]
    answer = store.get_online_features(service, rows).to_dict()
    stored = [materialized.rows(view).slice(0, 300) for view in ONLINE]
    inputs = {
        name: rows[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        for rows in stored
        for name in RATIO_INPUTS
        if name in rows.column_names
    }
    overrides = {"amt_credit": np.array(stated[:-1], dtype=np.float64)}
    for name, values in application_ratios(inputs, overrides).items():
        served = np.array(answer[name], dtype=np.float64)
        np.testing.assert_array_equal(served[:-1], values, err_msg=name)
    assert [answer[name][-1] for name in ("requested_amt_credit", "credit_to_income")] == [None, None]


def test_history_is_what_was_built_at_each_moment(materialized: Platform) -> None:
    from feature_repo.store import historical_features

    chosen = list(reversed(range(0, CLIENTS, 7)))
    rows = materialized.rows("application").take(chosen)
    spine = rows.select(["SK_ID_CURR", "as_of"])
    history = historical_features(materialized.home, spine, "credit_scoring_v1")
    assert history.select(spine.column_names).to_pydict() == spine.to_pydict()
    for spec in SPECS:
        built = materialized.rows(spec.name).take(chosen)
        for name in {column.name for column in spec.columns} - set(OVERRIDABLE):
            assert history[name].combine_chunks().equals(built[name].combine_chunks()), name
    assert all(history[name].type == pa.float64() for name in RATIO_OUTPUTS)


def test_history_knows_nothing_before_the_row_and_keeps_years_old_rows(materialized: Platform) -> None:
    from feature_repo.store import historical_features

    moments = [T0 - timedelta(microseconds=1), T0, T0 + timedelta(days=3650)]
    spine = pa.table({"SK_ID_CURR": [FIRST_CLIENT] * 3, "as_of": pa.array(moments, pa.timestamp("us", "UTC"))})
    built = materialized.rows("demographics").slice(0, 1)
    history = historical_features(materialized.home, spine, "fairness_v1")
    for name in built.column_names[3:]:
        value = built[name][0].as_py()
        assert history[name].to_pylist() == [None, value, value]


def test_a_spine_without_time_is_refused(materialized: Platform) -> None:
    from feature_repo.store import historical_features

    with pytest.raises(FeatureError, match="lacks as_of"):
        historical_features(materialized.home, pa.table({"SK_ID_CURR": [1]}), "fairness_v1")


def push_frame(client_id: int, as_of: datetime, built: datetime) -> Any:
    """One row for `installments`, whose first feature tells rows apart by `built`."""
    frame = random_rows(load_catalogue().view("installments"), 1, seed=9, as_of=as_of, built=built).to_pandas()
    frame["SK_ID_CURR"] = client_id
    return frame


def test_a_push_is_online_at_once_and_an_older_one_changes_nothing(materialized: Platform) -> None:
    from feast.data_source import PushMode

    client_id, store, reader = 77, materialized.store(), materialized.reader()
    row = random_rows(load_catalogue().view("installments"), 1, seed=9)
    for as_of, built, taken in [
        (T0, BUILT, True),
        (T0 - timedelta(days=1), BUILT + timedelta(days=1), False),
        (T0, BUILT + timedelta(days=2), True),
    ]:
        store.push("installments_push", push_frame(client_id, as_of, built), to=PushMode.ONLINE)
        batch = reader.read([client_id])["installments"]
        expected = row.set_column(1, "as_of", pa.array([T0], pa.timestamp("us", "UTC")))
        assert_holds(batch, expected)
        assert (int(batch.built_us[0]) == pa.scalar(built, pa.timestamp("us", "UTC")).value) is taken


def test_async_reads_and_writes_are_the_same(materialized: Platform) -> None:
    import asyncio

    from feast.data_source import PushMode

    async def push_and_read() -> list[Any]:
        store = materialized.store()
        await store.push_async("installments_push", push_frame(78, T0, BUILT), to=PushMode.ONLINE)
        answer = await store.get_online_features_async(["installments:inst_count"], [{"SK_ID_CURR": 78}])
        return list(answer.to_dict()["inst_count"])

    row = random_rows(load_catalogue().view("installments"), 1, seed=9)
    assert asyncio.run(push_and_read()) == row["inst_count"].to_pylist()


def test_corrected_rows_of_equal_time_replace_and_later_runs_are_added(materialized: Platform) -> None:
    """The newest build of an as_of wins; `materialize-incremental` of Feast's own command line takes newer rows."""
    view = load_catalogue().view("bureau")
    corrected = random_rows(view, 3, seed=1, built=BUILT + timedelta(hours=1))
    write_rows(materialized.home.offline, "bureau", "correction", corrected)
    assert run(["features", "materialize", "--look-back", "36500"]) == 0
    assert_holds(materialized.reader().read(clients_of(3))["bureau"], corrected)

    later = random_rows(view, 2, seed=2, as_of=T0 + timedelta(days=900), built=BUILT)
    write_rows(materialized.home.offline, "bureau", "later", later)
    until = (T0 + timedelta(days=1000)).replace(tzinfo=None).isoformat(timespec="seconds")
    done = materialized.feast("materialize-incremental", until)
    assert done.exit_code == 0, done.output
    assert_holds(materialized.reader().read(clients_of(2))["bureau"], later)
    assert_holds(materialized.reader().read([FIRST_CLIENT + 2])["bureau"], corrected.slice(2))


def test_another_data_set_replaces_clients_and_newer_rows(materialized: Platform) -> None:
    from feast.data_source import PushMode

    gone, kept = 79, FIRST_CLIENT
    for client_id in (gone, kept):
        frame = push_frame(client_id, T0 + timedelta(days=5000), BUILT)
        materialized.store().push("installments_push", frame, to=PushMode.ONLINE)
    assert run(["features", "materialize", "--replace"]) == 0
    batch = materialized.reader().read([gone, kept])["installments"]
    assert batch.status == (ViewStatus.NOT_FOUND, ViewStatus.PRESENT)
    assert_holds(materialized.reader().read([kept])["installments"], materialized.rows("installments").slice(0, 1))


def test_a_window_writes_only_its_rows(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    with platform.redis.client() as client:
        client.flushall()
    newest = max(max(pq.read_table(platform.home.offline / name)["as_of"].to_pylist()) for name in ONLINE)
    days = (newest - T0).days - 30
    assert run(["features", "materialize", "--look-back", str(days), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["clients"]) == set(ONLINE)
    application = platform.reader().read(clients_of())["application"].status
    assert 0 < application.count(ViewStatus.PRESENT) == report["clients"]["application"] < CLIENTS


def test_a_failing_write_fails_the_command(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    done = platform.feast("materialize", "2020-01-01T00:00:00", "2024-01-01T00:00:00")
    assert done.exit_code == 1
    assert isinstance(done.exception, StoreUnavailableError)
    assert run(["features", "materialize"]) == 1


def test_a_store_that_fills_up_midway_fails_the_command(platform: Platform) -> None:
    with platform.redis.client() as client:
        client.flushall()
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + 400_000)
        try:
            assert run(["features", "materialize"]) == 1
        finally:
            client.config_set("maxmemory", 0)


def test_an_unreachable_store_is_said_so_by_the_sdk_reader(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_repo.online.sdk_reader import SdkReader

    monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(StoreUnavailableError):
        SdkReader(platform.store(), SPECS).ping()


def test_views_that_cannot_be_packed_are_refused(platform: Platform) -> None:
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Array, Float32, Int64

    source = FileSource(name="s", path="s.parquet", timestamp_field="as_of")
    client = platform.store().get_entity("client")
    branch = Entity(name="branch", join_keys=["branch"], value_type=ValueType.INT64)
    store = platform.store()
    online = store._get_provider().online_store
    for entity, dtype, cause in [(branch, Float32, "keyed by branch"), (client, Array(Float32), "view v, x: .*Array")]:
        view = FeatureView(name="v", entities=[entity], schema=[Field(name="x", dtype=dtype)], source=source)
        view.entity_columns = [Field(name=entity.join_key, dtype=Int64)]
        with pytest.raises(FeatureError, match=cause):
            online.update(store.config, [], [view], [], [], False)


def test_rows_of_a_changed_view_stay_until_they_are_pruned(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    from feature_repo.online.codec import encode_rows
    from feature_repo.online.layout import layout_of

    with platform.redis.client() as client:
        client.flushall()
        assert run(["features", "materialize"]) == 0
        before = layout_of(spec_of_types(["float32"], name="bureau"))
        (raw,) = encode_rows(before, rows_of(before.spec, [(1.0,)], [FIRST_CLIENT], built=NOW_US))
        key = f"features:credit_scoring:{FIRST_CLIENT}"
        client.hset(key, before.field.decode(), raw)
        capsys.readouterr()
        assert run(["features", "prune", "--older-than", str(24 * 36500), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"removed": 0}
        assert run(["features", "prune", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"removed": 1}
        assert {view_of_field(field) for field in client.hkeys(key)} == set(ONLINE)
        assert client.hlen(key) == len(ONLINE)


def test_removed_views_leave_no_fields_and_teardown_no_keys(platform: Platform) -> None:
    with platform.redis.client() as client:
        client.flushall()
        client.set("decisions", "stay")
    assert run(["features", "materialize"]) == 0
    store = platform.store()
    online, view = store._get_provider().online_store, store.get_feature_view("bureau")
    online.update(store.config, [view], [], [], [], False)
    batches = platform.reader().read(clients_of())
    assert set(batches["bureau"].status) == {ViewStatus.NOT_FOUND}
    assert set(batches["application"].status) == {ViewStatus.PRESENT}
    online.teardown(store.config, [view], [])
    with platform.redis.client() as client:
        assert client.keys() == [b"decisions"]


def test_nothing_built_is_said_before_feast_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", "apply", "--home", str(tmp_path)]) == 1
    assert "creditctl features build" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["materialize", "prune"])
def test_nothing_registered_is_said_in_one_line(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["features", command, "--home", str(tmp_path)]) == 1
    assert "creditctl features apply" in capsys.readouterr().err
