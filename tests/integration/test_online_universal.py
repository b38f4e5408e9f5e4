"""What any Feast online store must do, and where ours differs on purpose (docs/reference/online-store.md)."""

import asyncio
import math
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from feast_world import (
    BUILT,
    RANKED_CLIENTS,
    T0,
    TYPED,
    TYPED_CLIENTS,
    WINDOW,
    FeastWorld,
    ranked_frame,
    ranked_rows,
    services,
    summed,
)
from redis_servers import RedisProcess, redis_server
from redis_topologies import wait_for

from credit.errors import FeatureError, StoreUnavailableError

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis"),
]

SCORE, RANK = "ranked:score", "ranked:rank"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_server(tmp_path_factory.mktemp("redis"), password="se:cret/") as running:
        yield running


@pytest.fixture(scope="module")
def world(server: RedisProcess, tmp_path_factory: pytest.TempPathFactory) -> FeastWorld:
    """Applied and materialised once; tests write only to clients of their own."""
    world = FeastWorld(tmp_path_factory.mktemp("world"), server.url)
    typed, ranked = world.typed(), world.ranked()
    hidden = world.ranked("hidden", online=False)
    with warnings.catch_warnings():  # Feast sets filters of its own when it is imported
        warnings.simplefilter("ignore")
        world.store.apply([world.client, typed, ranked, hidden, summed(ranked), *services(typed, ranked)])
        world.store.materialize(*WINDOW)
    return world


def same(left: Any, right: Any) -> bool:
    both = isinstance(left, float) and isinstance(right, float)
    return (both and math.isnan(left) and math.isnan(right)) or (type(left) is type(right) and left == right)


def assert_typed(answer: dict[str, list[Any]], name: str) -> None:
    """The answer is, type for type, what was written."""
    expected = TYPED[name]
    if name == "float32":
        expected = [value if value is None else float(np.float32(value)) for value in expected]
    assert all(map(same, answer[name], expected)), (name, answer[name], expected)


def test_every_type_comes_back_with_null_apart_from_nan(world: FeastWorld) -> None:
    answer = world.online([f"typed:{name}" for name in TYPED], TYPED_CLIENTS)
    assert answer["SK_ID_CURR"] == TYPED_CLIENTS
    for name in TYPED:
        assert_typed(answer, name)


def test_every_type_and_null_comes_back_from_feasts_own_rows(world: FeastWorld) -> None:
    """Protobuf rows, as push and other engines hand them over: null is an empty value, NaN a number."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    from feature_repo.online.specs import PROTO_FIELDS

    def proto(name: str, value: Any) -> Any:
        if value is None:
            return Value()
        return Value(**{PROTO_FIELDS[name]: int(value.timestamp()) if isinstance(value, datetime) else value})

    clients = [client + 1000 for client in TYPED_CLIENTS]
    rows = []
    for index, client in enumerate(clients):
        key = EntityKey(join_keys=["SK_ID_CURR"], entity_values=[Value(int64_val=client)])
        rows.append((key, {name: proto(name, values[index]) for name, values in TYPED.items()}, T0, BUILT))
    done: list[int] = []
    online = world.store._get_provider().online_store
    online.online_write_batch(world.store.config, world.store.get_feature_view("typed"), rows, done.append)
    assert sum(done) == len(clients)
    answer = world.online([f"typed:{name}" for name in TYPED], clients)
    for name in TYPED:
        assert_typed(answer, name)


def test_missing_values_of_a_pushed_frame_are_null(world: FeastWorld) -> None:
    """pandas knows one missing value: its NaN and NaT are null to Feast, and so to us.

    Feast takes an int64 column with nulls through float64: whole up to 2**53. Arrow rows keep all 64 bits.
    """
    frame = pd.DataFrame(
        {
            "SK_ID_CURR": [1, 2],
            "float32": [1.5, math.nan],
            "float64": [2.5, math.nan],
            "int32": pd.array([3, None], dtype="Int32"),
            "int64": pd.array([2**53, None], dtype="Int64"),
            "bool": pd.array([True, None], dtype="boolean"),
            "string": ["a", None],
            "unix_timestamp": [pd.Timestamp(T0), pd.NaT],
            "as_of": [T0, T0],
            "created_ts": [T0, T0],
        }
    )
    world.store.push("typed_push", frame)
    answer = world.online([f"typed:{name}" for name in TYPED], [1, 2])
    values = [answer[name] for name in TYPED]
    assert [value[0] for value in values] == [1.5, 2.5, 3, 2**53, True, "a", T0.replace(microsecond=0)]
    assert [value[1] for value in values] == [None] * len(TYPED)


def test_order_duplicates_and_parts_are_as_asked(world: FeastWorld) -> None:
    asked = [100_005, 100_001, 100_005, 100_050, 100_001]
    answer = world.online([RANK], asked)
    assert answer == {"SK_ID_CURR": asked, "rank": asked}
    assert world.online([SCORE, RANK], [100_004])["score"] == [25001.0]
    assert world.online(world.store.get_feature_service("part"), [100_004]) == {
        "SK_ID_CURR": [100_004],
        "rank": [100_004],
    }


def test_an_unknown_client_is_not_found(world: FeastWorld) -> None:
    from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

    rows = [{"SK_ID_CURR": client} for client in (100_001, 5)]
    answer = world.store.get_online_features([RANK], rows)
    assert answer.to_dict()["rank"] == [100_001, None]
    (vector,) = [vector for vector in answer.proto.results if len(set(vector.statuses)) > 1]
    assert list(vector.statuses) == [FieldStatus.PRESENT, FieldStatus.NOT_FOUND]


@pytest.mark.parametrize("full", [True, False])
def test_services_and_full_names(world: FeastWorld, full: bool) -> None:
    answer = world.online(world.store.get_feature_service("all"), [100_001], full_feature_names=full)
    names = [("typed", name) for name in TYPED] + [("ranked", "score"), ("ranked", "rank")]
    assert set(answer) == {"SK_ID_CURR"} | {f"{view}__{name}" if full else name for view, name in names}


def test_names_that_collide_need_full_names(world: FeastWorld) -> None:
    from feast.errors import FeatureNameCollisionError

    with pytest.raises(FeatureNameCollisionError):
        world.online([SCORE, "hidden:score"], [100_001])
    answer = world.online([SCORE, "hidden:score"], [100_001], full_feature_names=True)
    assert set(answer) == {"SK_ID_CURR", "ranked__score", "hidden__score"}


def test_a_view_under_two_names_and_keys(world: FeastWorld) -> None:
    rows = [{"borrower_id": 100_001, "guarantor_id": 100_002}, {"borrower_id": 100_003, "guarantor_id": 5}]
    service = world.store.get_feature_service("pair")
    answer = world.store.get_online_features(service, rows, full_feature_names=True).to_dict()
    assert answer["borrower__rank"] == [100_001, 100_003]
    assert answer["guarantor__rank"] == [100_002, None]


def test_an_on_demand_view_gets_stored_values_and_the_requests(world: FeastWorld) -> None:
    from feast.errors import RequestDataNotFoundInEntityRowsException

    rows = [{"SK_ID_CURR": 100_004, "extra": 0.5}, {"SK_ID_CURR": 5, "extra": 0.5}]
    answer = world.store.get_online_features(["summed:sum"], rows).to_dict()
    assert answer["sum"] == [25001.5, None]
    with pytest.raises(RequestDataNotFoundInEntityRowsException):
        world.online(["summed:sum"], [100_004])


def test_a_view_that_is_not_online_has_no_rows(world: FeastWorld) -> None:
    assert world.online(["hidden:rank"], [100_001])["rank"] == [None]


def test_a_row_is_served_whatever_its_age(world: FeastWorld) -> None:
    """Feast enforces no TTL online; the serving reader does, by the time of build."""
    assert datetime.now(UTC) - T0 > timedelta(days=365)
    assert world.online([RANK], [100_001])["rank"] == [100_001]


def test_of_two_writes_the_newer_event_stays(world: FeastWorld) -> None:
    hour = timedelta(hours=1)
    for score, as_of, expected in [
        (1.0, T0, 1.0),
        (2.0, T0 - hour, 1.0),
        (3.0, T0 + hour, 3.0),
        (4.0, T0 + hour - timedelta(microseconds=1), 3.0),
    ]:
        world.write([201], [score], as_of)
        assert world.online([SCORE], [201])["score"] == [expected]


def test_of_equal_events_the_newest_created_stays(world: FeastWorld) -> None:
    second = timedelta(seconds=1)
    for score, built, expected in [
        (1.0, BUILT, 1.0),
        (2.0, BUILT - second, 1.0),
        (3.0, BUILT, 3.0),
        (4.0, BUILT + second, 4.0),
        (5.0, BUILT, 4.0),
    ]:
        world.write([202], [score], T0, built=built)
        assert world.online([SCORE], [202])["score"] == [expected]


def test_rows_of_one_client_in_one_write_follow_the_same_rule(world: FeastWorld) -> None:
    times = [T0, T0 + timedelta(days=2), T0 + timedelta(days=1)]
    world.write([203] * 3, [1.0, 2.0, 3.0], times)
    assert world.online([SCORE], [203])["score"] == [2.0]


def test_materialising_again_does_not_undo_a_newer_push(world: FeastWorld) -> None:
    world.write([100_040], [0.5], T0 + timedelta(hours=1))
    world.store.materialize(*WINDOW, feature_views=["ranked"])
    assert world.online([SCORE], [100_040, 100_041])["score"] == [0.5, 100_041 / 4]


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (datetime(2024, 1, 1, 0, 0, 0, 1), datetime(2024, 1, 1, 0, 0, 0, 1)),
        (datetime(2024, 1, 1, 0, 7, tzinfo=timezone(timedelta(hours=5, minutes=30))), datetime(2023, 12, 31, 18, 37)),
        (datetime(1955, 3, 4, 5, 6, 7, 999_999, tzinfo=UTC), datetime(1955, 3, 4, 5, 6, 7, 999_999)),
    ],
    ids=["naive is UTC", "zone", "before 1970"],
)
def test_event_timestamps_come_back_exactly(world: FeastWorld, as_of: datetime, expected: datetime) -> None:
    client = 2000 + as_of.minute + as_of.microsecond
    world.write([client], [1.0], as_of)
    online = world.store._get_provider().online_store
    ((stamp, _),) = online.online_read(world.store.config, world.store.get_feature_view("ranked"), [key_of(client)])
    assert stamp == expected.replace(tzinfo=UTC)


def key_of(client: int) -> Any:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return EntityKey(join_keys=["SK_ID_CURR"], entity_values=[Value(int64_val=client)])


def test_answers_carry_event_timestamps(world: FeastWorld) -> None:
    rows = [{"SK_ID_CURR": 100_001}, {"SK_ID_CURR": 5}]
    frame = world.store.get_online_features([RANK], rows).to_df(include_event_timestamps=True)
    assert frame["rank__ts"].tolist() == [int(T0.timestamp()), 0]


def test_a_store_read_of_nothing_and_of_everything(world: FeastWorld) -> None:
    online, view = world.store._get_provider().online_store, world.store.get_feature_view("ranked")
    assert online.online_read(world.store.config, view, []) == []
    (known, unknown) = online.online_read(world.store.config, view, [key_of(100_002), key_of(5)])
    assert (known[0], set(known[1])) == (T0, {"score", "rank"})
    assert unknown == (None, None)
    ((_, part),) = online.online_read(world.store.config, view, [key_of(100_002)], ["rank"])
    assert {name: value.int32_val for name, value in part.items()} == {"rank": 100_002}


def test_a_push_goes_where_it_is_sent(world: FeastWorld) -> None:
    from feast.data_source import PushMode

    def offline() -> set[int]:
        return set(pq.read_table(world.folder / "ranked.parquet")["SK_ID_CURR"].to_pylist())

    for client, mode in [(221, PushMode.ONLINE), (222, PushMode.OFFLINE), (223, PushMode.ONLINE_AND_OFFLINE)]:
        frame = ranked_frame([client], [1.0], T0).astype({"score": "float32", "rank": "int32"})
        world.store.push("ranked_push", frame, to=mode)
    assert world.online([SCORE], [221, 222, 223])["score"] == [1.0, None, 1.0]
    assert offline() & {221, 222, 223} == {222, 223}


def test_async_reads_and_writes(world: FeastWorld) -> None:
    async def write_and_read() -> list[Any]:
        await world.store.write_to_online_store_async("ranked", ranked_frame([231], [1.0], T0))
        await world.store.push_async("ranked_push", ranked_frame([232], [2.0], T0))
        rows = [{"SK_ID_CURR": client} for client in (231, 232, 5)]
        answers = await asyncio.gather(*(world.store.get_online_features_async([SCORE], rows) for _ in range(5)))
        return [answer.to_dict()["score"] for answer in answers]

    assert asyncio.run(write_and_read()) == [[1.0, 2.0, None]] * 5


def test_concurrent_writers_leave_the_newest(world: FeastWorld) -> None:

    from feature_repo.online.protobuf import to_us

    clients, store = list(range(300, 340)), world.store
    view, online = store.get_feature_view("ranked"), store._get_provider().online_store
    online.online_read(store.config, view, [key_of(1)])  # connect once, as a running process has

    def write(offset: int) -> None:
        from feast.protos.feast.types.Value_pb2 import Value

        for step in range(5):
            minutes = (offset + step * 7) % 20
            values = {"score": Value(float_val=minutes), "rank": Value(int32_val=minutes)}
            as_of = T0 + timedelta(minutes=minutes)
            online.online_write_batch(
                store.config, view, [(key_of(one), values, as_of, BUILT) for one in clients], None
            )

    writers = [threading.Thread(target=write, args=(offset,)) for offset in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    newest = max((offset + step * 7) % 20 for offset in range(4) for step in range(5))
    for stamp, values in online.online_read(store.config, view, [key_of(client) for client in clients]):
        assert to_us(stamp) == to_us(T0 + timedelta(minutes=newest))
        assert (values["score"].float_val, values["rank"].int32_val) == (newest, newest)


def test_a_large_batch(world: FeastWorld) -> None:
    clients = list(range(1_000_000, 1_003_000))
    world.write(clients, [client / 8 for client in clients], T0)
    asked = clients[::-3]
    assert world.online([SCORE], asked)["score"] == [client / 8 for client in asked]


def test_two_projects_in_one_redis_do_not_mix(world: FeastWorld, server: RedisProcess, tmp_path: Path) -> None:
    other = FeastWorld(tmp_path, server.url, project="universal_2")
    other.store.apply([other.client, other.ranked()])
    other.write([100_001], [-1.0], T0 + timedelta(days=9))
    assert other.online([SCORE], [100_001, 100_002])["score"] == [-1.0, None]
    assert world.online([SCORE], [100_001])["score"] == [100_001 / 4]
    with server.client() as client:
        client.set("decisions", "stay")
    other.store.teardown()
    assert world.online([SCORE], [100_001])["score"] == [100_001 / 4]
    with server.client() as client:
        assert not [*client.scan_iter("features:universal_2:*")]
        assert client.get("decisions") == b"stay"


def test_a_removed_view_takes_only_its_own_rows(server: RedisProcess, tmp_path: Path) -> None:
    world = FeastWorld(tmp_path, server.url, project="cleanup")
    first, second = world.ranked("first"), world.ranked("second")
    world.store.apply([world.client, first, second])
    world.store.materialize(*WINDOW)
    world.store.apply([second], objects_to_delete=[first], partial=False)
    assert world.online(["second:rank"], RANKED_CLIENTS)["rank"] == RANKED_CLIENTS
    world.store.apply([], objects_to_delete=[second], partial=False)
    world.store.apply([world.client, first, second])
    for name in ("first", "second"):
        assert set(world.online([f"{name}:rank"], RANKED_CLIENTS)["rank"]) == {None}


def test_a_changed_view_serves_no_row_of_the_old_schema(server: RedisProcess, tmp_path: Path) -> None:
    from feast.types import Float32, Int32, Int64

    world = FeastWorld(tmp_path, server.url, project="changed")
    world.store.apply([world.client, world.ranked()])
    world.store.materialize(*WINDOW)
    wide = ranked_rows().append_column("extra", ranked_rows()["SK_ID_CURR"])
    changed = world.view("ranked", {"score": Float32, "extra": Int64, "rank": Int32}, wide)
    world.store.apply([changed])
    assert world.online([RANK, "ranked:extra"], [100_001]) == {"SK_ID_CURR": [100_001], "rank": [None], "extra": [None]}
    world.store.materialize(*WINDOW)
    assert world.online([RANK, "ranked:extra"], [100_001])["extra"] == [100_001]


def test_a_key_expires_as_garbage_and_not_as_freshness(server: RedisProcess, tmp_path: Path) -> None:
    world = FeastWorld(tmp_path, server.url, project="expiring", key_ttl_seconds=1)
    world.store.apply([world.client, world.ranked()])
    world.write([1], [1.0], T0)  # years old, yet served: only the time since the last write counts
    assert world.online([SCORE], [1])["score"] == [1.0]
    wait_for(lambda: world.online([SCORE], [1])["score"] == [None])
    world.write([1], [2.0], T0 - timedelta(days=1))
    assert world.online([SCORE], [1])["score"] == [2.0]


def test_other_keys_and_types_are_refused_before_anything_is_registered(world: FeastWorld, tmp_path: Path) -> None:
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Array, Float32, Int64, String

    branch = Entity(name="branch", join_keys=["branch"], value_type=ValueType.STRING)
    source = FileSource(name="s", path=str(tmp_path / "s.parquet"), timestamp_field="as_of")
    online, config = world.store._get_provider().online_store, world.store.config
    for entities, key, dtype, cause in [
        ([branch], Field(name="branch", dtype=String), Float32, "keyed by branch"),
        ([world.client], Field(name="SK_ID_CURR", dtype=Int64), Array(Float32), "cannot hold"),
    ]:
        view = FeatureView(name="v", entities=entities, schema=[Field(name="x", dtype=dtype)], source=source)
        view.entity_columns = [key]
        with pytest.raises(FeatureError, match=cause):
            online.update(config, [], [view], [], [], False)


def test_a_client_id_of_another_type_is_refused(world: FeastWorld) -> None:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    online, view = world.store._get_provider().online_store, world.store.get_feature_view("ranked")
    for key in (
        EntityKey(join_keys=["SK_ID_CURR"], entity_values=[Value(string_val="100001")]),
        EntityKey(join_keys=["branch"], entity_values=[Value(int64_val=1)]),
    ):
        with pytest.raises(FeatureError, match="keyed by SK_ID_CURR"):
            online.online_read(world.store.config, view, [key])


def test_a_row_that_lacks_a_feature_is_refused_whole(world: FeastWorld) -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    online, view = world.store._get_provider().online_store, world.store.get_feature_view("ranked")
    rows = [(key_of(241), {"score": Value(float_val=1)}, T0, None)]
    with pytest.raises(FeatureError, match="rank is missing"):
        online.online_write_batch(world.store.config, view, rows, None)
    assert world.online([SCORE], [241])["score"] == [None]


def test_a_hanging_store_is_given_up(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as own:
        world = FeastWorld(tmp_path / "world", own.url, project="hanging", connect_timeout=0.1, read_timeout=0.1)
        world.store.apply([world.client, world.ranked()])
        world.write([1], [1.0], T0)
        own.pause()
        with pytest.raises(StoreUnavailableError):
            world.online([SCORE], [1])
        with pytest.raises(StoreUnavailableError):
            world.write([1], [2.0], T0 + timedelta(days=1))
        own.resume()
        assert world.online([SCORE], [1])["score"][0] in (1.0, 2.0)
