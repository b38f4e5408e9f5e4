"""A small Feast repo over the packed store: views of every value type, services, an on-demand view.

Feast is imported when a repo is made: importing it warns, and warnings are errors outside of a test.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.online.arrow import ARROW_TYPES

if TYPE_CHECKING:
    from feast import FeatureService, FeatureView

T0 = datetime(2023, 5, 1, 10, 30, 15, 123456, tzinfo=UTC)
BUILT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
WINDOW = (T0 - timedelta(days=1), T0 + timedelta(days=1))
MOMENT = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
NAN = float("nan")

#: One client per interesting row; None is null, NaN is a number.
TYPED: dict[str, Sequence[Any]] = {
    "float32": [0.1, None, NAN, float("inf"), -0.0],
    "float64": [0.1, None, NAN, float("-inf"), 1e308],
    "int32": [1, None, 0, 2**31 - 1, -(2**31)],
    "int64": [1, None, 0, 2**63 - 1, -(2**63) + 1],
    "bool": [True, None, False, True, False],
    "string": ["Löwe", None, "", "中文 \U0001f600", "None"],
    "unix_timestamp": [MOMENT, None, datetime.fromtimestamp(0, UTC), MOMENT.replace(2204), MOMENT.replace(1904)],
}
TYPED_CLIENTS = list(range(100_001, 100_001 + len(TYPED["bool"])))
RANKED_CLIENTS = list(range(100_001, 100_051))


class FeastWorld:
    """One Feast project whose offline files lie in a folder and whose rows lie in a Redis."""

    def __init__(self, folder: Path, url: str, project: str = "universal", **online: Any) -> None:
        from feast import Entity, FeatureStore, RepoConfig, ValueType

        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client = Entity(name="client", join_keys=["SK_ID_CURR"], value_type=ValueType.INT64)
        kind = "feature_repo.online.store.PackedRedisOnlineStore"
        self.store = FeatureStore(
            config=RepoConfig(
                project=project,
                provider="local",
                registry=str(folder / "registry.db"),
                online_store={"type": kind, "url": url, **online},
                offline_store={"type": "duckdb"},
                batch_engine={"type": "feature_repo.compute.local.PackedLocalEngine"},
                entity_key_serialization_version=3,
            )
        )

    def view(self, name: str, types: Mapping[str, Any], rows: pa.Table | None = None, **given: Any) -> "FeatureView":
        """A view with a push source; `rows` become its offline file."""
        from feast import FeatureView, Field, FileSource, PushSource

        file = self.folder / f"{name}.parquet"
        if rows is not None:
            pq.write_table(rows, file)
        source = FileSource(
            name=f"{name}_file", path=str(file), timestamp_field="as_of", created_timestamp_column="created_ts"
        )
        return FeatureView(
            name=name,
            entities=[self.client],
            schema=[Field(name=field, dtype=kind) for field, kind in types.items()],
            source=PushSource(name=f"{name}_push", batch_source=source),
            **{"ttl": timedelta(0), **given},
        )

    def typed(self) -> "FeatureView":
        """One feature per value type, named by it."""
        from feature_repo.online.specs import FEAST_TYPES

        return self.view("typed", FEAST_TYPES, typed_rows())

    def ranked(self, name: str = "ranked", **given: Any) -> "FeatureView":
        """Two numbers that follow from the client's id."""
        from feast.types import Float32, Int32

        return self.view(name, {"score": Float32, "rank": Int32}, ranked_rows(), **given)

    def online(self, features: Any, clients: Sequence[int], **given: Any) -> dict[str, list[Any]]:
        """`get_online_features` as a dictionary of lists."""
        rows = [{"SK_ID_CURR": client} for client in clients]
        answer: dict[str, list[Any]] = self.store.get_online_features(features, rows, **given).to_dict()
        return answer

    def write(self, clients: Sequence[int], scores: Sequence[float | None], as_of: Any, built: Any = BUILT) -> None:
        """`write_to_online_store` of rows of `ranked`."""
        self.store.write_to_online_store("ranked", ranked_frame(clients, scores, as_of, built))


def typed_rows() -> pa.Table:
    """`TYPED` as the offline store holds it."""
    columns = {name: pa.array(values, ARROW_TYPES[name]) for name, values in TYPED.items()}
    return _with_keys(TYPED_CLIENTS, columns)


def ranked_rows() -> pa.Table:
    """A score and a rank per client."""
    scores = pa.array([client / 4 for client in RANKED_CLIENTS], pa.float32())
    return _with_keys(RANKED_CLIENTS, {"score": scores, "rank": pa.array(RANKED_CLIENTS, pa.int32())})


def ranked_frame(
    clients: Sequence[int], scores: Sequence[float | None], as_of: Any, built: datetime = BUILT
) -> pd.DataFrame:
    """Rows for `ranked`, as a caller of Feast's push makes them; `as_of` of all rows or of each."""
    columns = {"SK_ID_CURR": clients, "score": scores, "rank": [7] * len(clients), "as_of": as_of, "created_ts": built}
    return pd.DataFrame(columns)


def summed(ranked: "FeatureView") -> Any:
    """The on-demand view `summed`: score plus a number of the request."""
    from feast import Field, RequestSource
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Float64

    extra = RequestSource(name="extra", schema=[Field(name="extra", dtype=Float64)])

    @on_demand_feature_view(sources=[ranked, extra], schema=[Field(name="sum", dtype=Float64)], mode="python")
    def summed(inputs: dict[str, Any]) -> dict[str, Any]:
        pairs = zip(inputs["score"], inputs["extra"], strict=True)
        return {"sum": [None if score is None else score + extra for score, extra in pairs]}

    return summed


def services(typed: "FeatureView", ranked: "FeatureView") -> "list[FeatureService]":
    """All of two views; a part of one; a view under two names and keys."""
    from feast import FeatureService

    pair = [
        ranked.with_name(name).with_join_key_map({"SK_ID_CURR": f"{name}_id"}) for name in ("borrower", "guarantor")
    ]
    return [
        FeatureService(name="all", features=[typed, ranked]),
        FeatureService(name="part", features=[ranked[["rank"]]]),
        FeatureService(name="pair", features=pair),
    ]


def _with_keys(clients: Sequence[int], columns: Mapping[str, pa.Array]) -> pa.Table:
    moment = pa.timestamp("us", "UTC")
    keys = {
        "SK_ID_CURR": pa.array(clients, pa.int64()),
        "as_of": pa.array([T0] * len(clients), moment),
        "created_ts": pa.array([BUILT] * len(clients), moment),
    }
    return pa.table({**keys, **columns})
