"""Feast's `FeatureStore` for a platform folder: the only door to feast for the packages above."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
from feast import FeatureService, FeatureStore
from feast.base_feature_view import BaseFeatureView
from feast.errors import FeatureServiceNotFoundException

from credit.errors import FeatureError
from credit.platform import Home
from credit.progress import step
from credit.schemas.features import ContractFeature, ValueType, ViewSpec
from feature_repo.environment import feast_environment
from feature_repo.feast_output import quiet_feast
from feature_repo.online.arrow import ARROW_TYPES
from feature_repo.online.specs import JOIN_KEY, spec_of
from feature_repo.online.store import PackedRedisOnlineStore
from feature_repo.sources import EVENT_TIMESTAMP

REPO: Final = Path(__file__).parent
#: Spine rows joined at a time. Feast computes on-demand views over a dict of all columns as Python lists, about 60
#: bytes a value, so that memory grows with this and not with the spine.
_SPINE_ROWS: Final = 50_000
_ORDER: Final = "spine_order"


@dataclass(frozen=True, slots=True)
class ServiceContract:
    """What a feature service delivers.

    Attributes:
        service: its name.
        features: in service order; `view` is None for request-time features.
        views: online layouts of the views it reads, in service order.
        types: value type of each feature, in service order.
    """

    service: str
    features: tuple[ContractFeature, ...]
    views: tuple[ViewSpec, ...]
    types: tuple[ValueType, ...]


def open_store(home: Home) -> FeatureStore:
    """The Feast store of a platform folder; sets the environment variables that feature_store.yaml names."""
    os.environ.update(feast_environment(home))
    return FeatureStore(repo_path=str(REPO))


def service_contract(home: Home, service: str) -> ServiceContract:
    """The ordered features of a feature service as registered, with the layouts of its views.

    Raises:
        FeatureError: the service is not registered.
    """
    return _contract(open_store(home), service)


def prune_online_store(home: Home, built_before: datetime) -> int:
    """Remove online rows of other schemas than the registered views have, built before a moment; says how many.

    Raises:
        FeatureError: no view is registered: then every row would be of another schema.
        StoreUnavailableError: Redis did not answer.
    """
    store = open_store(home)
    views = [view for view in store.list_feature_views() if view.online]
    if not views:
        raise FeatureError("no feature view is registered: run `creditctl features apply`")
    return PackedRedisOnlineStore().prune(store.config, views, built_before)


def historical_features(home: Home, spine: pa.Table, service: str) -> pa.Table:
    """Features of a service as they stood at each spine row, point-in-time correct.

    Args:
        home: platform folder with built features and an applied registry.
        spine: SK_ID_CURR int64 and as_of timestamp (UTC), any number of rows.
        service: name of a feature service.

    Returns:
        SK_ID_CURR, as_of and the features in service order with their declared types; rows in spine order.

    Raises:
        FeatureError: the service is not registered, or the spine lacks a column.
    """
    missing = {JOIN_KEY, EVENT_TIMESTAMP} - set(spine.column_names)
    if missing:
        raise FeatureError(f"the spine lacks {', '.join(sorted(missing))}")
    store = open_store(home)
    contract = _contract(store, service)
    schema = _schema(contract)
    keys = spine.select([JOIN_KEY, EVENT_TIMESTAMP]).cast(pa.schema(list(schema)[:2]))
    parts = [schema.empty_table()]
    with step(f"historical features of {service}", total=keys.num_rows) as progress:
        for start in range(0, keys.num_rows, _SPINE_ROWS):
            part = keys.slice(start, _SPINE_ROWS)
            parts.append(_joined(store, store.get_feature_service(service), part, schema))
            progress.advance(part.num_rows)
    return pa.concat_tables(parts)


def _joined(store: FeatureStore, service: FeatureService, keys: pa.Table, schema: pa.Schema) -> pa.Table:
    numbered = keys.append_column(_ORDER, pa.array(range(keys.num_rows), pa.int64()))
    with quiet_feast():
        job = store.get_historical_features(entity_df=numbered.to_pandas(), features=service)
        joined: pa.Table = job.to_arrow().sort_by(_ORDER)
    return joined.select(schema.names).cast(schema)


def _contract(store: FeatureStore, name: str) -> ServiceContract:
    try:
        service = store.get_feature_service(name)
    except FeatureServiceNotFoundException:
        raise FeatureError(f"feature service {name} is not registered: run `creditctl features apply`") from None
    stored = {view.name: view for view in store.list_feature_views()}
    on_demand: dict[str, BaseFeatureView] = {view.name: view for view in store.list_on_demand_feature_views()}
    features: list[ContractFeature] = []
    types: list[ValueType] = []
    for projection in service.feature_view_projections:
        view = projection.name if projection.name in stored else None
        declared = {column.name: column.type for column in spec_of({**stored, **on_demand}[projection.name]).columns}
        for field in projection.features:
            kind = "categorical" if declared[field.name] == "string" else "numeric"
            features.append(ContractFeature(name=field.name, view=view, kind=kind))
            types.append(declared[field.name])
    used = dict.fromkeys(feature.view for feature in features if feature.view)
    return ServiceContract(name, tuple(features), tuple(spec_of(stored[view]) for view in used), tuple(types))


def _schema(contract: ServiceContract) -> pa.Schema:
    keys = [(JOIN_KEY, pa.int64()), (EVENT_TIMESTAMP, pa.timestamp("us", "UTC"))]
    names = [feature.name for feature in contract.features]
    return pa.schema([*keys, *((name, ARROW_TYPES[kind]) for name, kind in zip(names, contract.types, strict=True))])
