"""The Feast repo with its feature rows in object storage, and with a source that our builds did not write."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from offline_rows import BUILT, FIRST_CLIENT, T0, random_rows
from redis_servers import RedisProcess, redis_server
from s3_server import BUCKET, s3_server

from credit.cli import run
from credit.platform import Home
from credit.schemas.features import ViewStatus
from feature_repo.catalogue import load_catalogue, online_view_specs
from feature_repo.locations import offline_location
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader

if TYPE_CHECKING:
    from feast import FeatureView

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis"),
]

CLIENTS = 60
SPECS = online_view_specs(load_catalogue())


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, redis: RedisProcess) -> Iterator[Home]:
    """A platform folder whose feature rows lie in two buckets on an S3 server, applied and materialised."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as endpoint:
        patch.setenv("CREDIT_HOME", str(folder))
        patch.setenv("FEATURES_REDIS_URL", redis.url)
        patch.setenv("FEATURES_OFFLINE_LOCATION", f"s3://{BUCKET}/offline")
        patch.setenv("FEATURES_STORAGE_ENDPOINT", endpoint)
        for view in load_catalogue().views:
            rows = random_rows(view, CLIENTS)
            for bucket in range(2):
                file = offline_location(Home(folder)) / view.name / "online" / f"bucket-{bucket:04d}.parquet"
                file.write_table(rows.slice(bucket * CLIENTS // 2, CLIENTS // 2))
        assert run(["features", "apply"]) == 0
        yield Home(folder)


def test_rows_come_online_from_object_storage(home: Home, redis: RedisProcess) -> None:
    assert run(["features", "materialize"]) == 0
    reader = PackedReader(RedisSettings(url=redis.url), PROJECT, SPECS, now_us=lambda: 0)
    clients = range(FIRST_CLIENT, FIRST_CLIENT + CLIENTS)
    for name, batch in reader.read(list(clients)).items():
        assert batch.status == (ViewStatus.PRESENT,) * CLIENTS
        expected = random_rows(load_catalogue().view(name), CLIENTS)
        assert batch.as_of_us.tolist() == expected["as_of"].cast(pa.int64()).to_pylist()


def test_history_is_joined_from_object_storage(home: Home) -> None:
    from feature_repo.store import historical_features

    built = random_rows(load_catalogue().view("demographics"), CLIENTS)
    chosen = list(range(CLIENTS - 1, 0, -7))
    history = historical_features(home, built.select(["SK_ID_CURR", "as_of"]).take(chosen), "fairness_v1")
    for name in built.column_names[3:]:
        assert history[name].to_pylist() == built[name].take(chosen).to_pylist(), name


def view_over(path: Path, mapping: dict[str, str] | None = None) -> "FeatureView":
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Int64

    source = FileSource(name="s", path=str(path), timestamp_field="as_of", field_mapping=mapping or {})
    client = Entity(name="client", join_keys=["SK_ID_CURR"], value_type=ValueType.INT64)
    view = FeatureView(name="other", entities=[client], schema=[Field(name="x", dtype=Int64)], source=source)
    view.entity_columns = [Field(name="SK_ID_CURR", dtype=Int64)]
    return view


def test_a_file_of_somebody_else_goes_through_feasts_offline_store(
    home: Home, redis: RedisProcess, tmp_path: Path
) -> None:
    from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    from feature_repo.store import open_store

    path = tmp_path / "theirs.parquet"
    times = pa.array([T0, T0 + timedelta(days=1), T0], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"SK_ID_CURR": [7, 7, 8], "as_of": times, "x": [1, 2, 3]}), path)
    store, view = open_store(home), view_over(path)
    task = MaterializationTask(
        project=store.project,
        feature_view=view,
        start_time=T0,
        end_time=BUILT,
        tqdm_builder=lambda length: None,
    )
    (job,) = store._get_provider().batch_engine.materialize(store.registry, task)
    assert job.status() == MaterializationJobStatus.SUCCEEDED, job.error()
    keys = [EntityKey(join_keys=["SK_ID_CURR"], entity_values=[Value(int64_val=client)]) for client in (7, 8, 9)]
    read = store._get_provider().online_store.online_read(store.config, view, keys)
    assert [values and values["x"].int64_val for _, values in read] == [2, 3, None]


def test_the_ray_engine_refuses_what_it_could_not_vouch_for(home: Home, tmp_path: Path) -> None:
    from feast.infra.common.materialization_job import MaterializationTask

    from credit.errors import FeatureError
    from feature_repo.store import open_store

    store = open_store(home, "ray", "127.0.0.1:1")
    view = view_over(tmp_path / "theirs.parquet", {"y": "x"})
    task = MaterializationTask(
        project=store.project, feature_view=view, start_time=T0, end_time=BUILT, tqdm_builder=lambda length: None
    )
    (job,) = store._get_provider().batch_engine.materialize(store.registry, task)
    assert isinstance(job.error(), FeatureError)
    assert "materialise it with the local engine" in str(job.error())
