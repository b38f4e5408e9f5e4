"""Feast's `FeatureStore` for a platform folder: the only door to feast for the packages above."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureStore
from feast.base_feature_view import BaseFeatureView
from feast.errors import FeatureServiceNotFoundException
from numpy.typing import NDArray

from credit.errors import FeatureError
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.platform import Home
from credit.progress import step
from credit.schemas.features import ContractFeature, ValueType, ViewSpec
from feature_repo.compute.selection import batch_engine
from feature_repo.environment import REPO, feast_environment, profile_file
from feature_repo.feast_output import quiet_feast
from feature_repo.on_demand_views import OVERRIDE_FIELDS
from feature_repo.online.arrow import ARROW_TYPES
from feature_repo.online.specs import JOIN_KEY, spec_of
from feature_repo.online.store import PackedRedisOnlineStore
from feature_repo.sources import EVENT_TIMESTAMP
from feature_repo.tasks import Engine

#: Spine rows joined at a time. Memory grows with this and not with the spine; each slice reads the offline store once.
_SPINE_ROWS: Final = 100_000
_ORDER: Final = "spine_order"
_KEYS: Final = pa.schema([(JOIN_KEY, pa.int64()), (EVENT_TIMESTAMP, pa.timestamp("us", "UTC"))])


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


def open_store(home: Home, engine: Engine | None = None, ray_address: str | None = None) -> FeatureStore:
    """The Feast store of a platform folder; sets the environment variables that the profile's file names.

    Args:
        home: platform folder.
        engine: what materialises; None takes the profile's.
        ray_address: of the engine `ray`; None takes the settings'.
    """
    os.environ.update(feast_environment(home))
    store = FeatureStore(repo_path=str(REPO), fs_yaml_file=profile_file())
    if engine is not None:
        store.config.batch_engine_config = batch_engine(engine, ray_address)
    return store


def registered_store(home: Home, engine: Engine | None = None, ray_address: str | None = None) -> FeatureStore:
    """As `open_store`, for those who cannot do without registered views.

    Raises:
        FeatureError: no view is registered.
    """
    try:
        with quiet_feast():
            store = open_store(home, engine, ray_address)
            found = store.list_feature_views()
    except FileNotFoundError:  # Feast's registry file, and the folder in which it would make one
        found = []
    if not found:
        raise FeatureError("no feature view is registered: run `creditctl features apply`")
    return store


def service_contract(home: Home, service: str) -> ServiceContract:
    """The ordered features of a feature service as registered, with the layouts of its views.

    Raises:
        FeatureError: the service is not registered.
    """
    return _contract(registered_store(home), service)


def prune_online_store(home: Home, built_before: datetime) -> int:
    """Remove online rows of other schemas than the registered views have, built before a moment; says how many.

    Raises:
        FeatureError: no view is registered: then every row would be of another schema.
        StoreUnavailableError: Redis did not answer.
    """
    store = registered_store(home)
    views = [view for view in store.list_feature_views() if view.online]
    if not views:
        raise FeatureError("no feature view is registered: run `creditctl features apply`")
    return PackedRedisOnlineStore().prune(store.config, views, built_before)


def historical_features(home: Home, spine: pa.Table, service: str) -> pa.Table:
    """Features of a service as they stood at each spine row, point-in-time correct.

    Stored features come from Feast's own join. Request-time ones are computed from its columns by `credit.features`:
    Feast would compute the same, over lists of Python numbers of every joined column.

    Args:
        home: platform folder with built features and an applied registry.
        spine: SK_ID_CURR int64 and as_of timestamp (UTC), any number of rows. Columns override_* state amounts of a
            request made at that row; null, or no such column, leaves what is stored.
        service: name of a feature service.

    Returns:
        SK_ID_CURR, as_of and the features in service order with their declared types; rows in spine order.

    Raises:
        FeatureError: the service is not registered or has request-time features unknown to `credit.features`, or the
            spine lacks a column or holds an impossible override.
    """
    rows = _checked(spine)
    store = registered_store(home)
    contract = _contract(store, service)
    references = _references(contract)
    schema = _schema(contract)
    parts = [schema.empty_table()]
    with step(f"historical features of {service}", total=rows.num_rows) as progress:
        for start in range(0, rows.num_rows, _SPINE_ROWS):
            part = rows.slice(start, _SPINE_ROWS)
            joined = _joined(store, references, part.select(_KEYS.names))
            parts.append(_with_request_time(joined, part, contract).select(schema.names).cast(schema))
            progress.advance(part.num_rows)
    return pa.concat_tables(parts)


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


def _checked(spine: pa.Table) -> pa.Table:
    """Keys and overrides of a spine in their types."""
    if missing := set(_KEYS.names) - set(spine.column_names):
        raise FeatureError(f"the spine lacks {', '.join(sorted(missing))}")
    stated = [name for name in spine.column_names if name.startswith("override_")]
    if unknown := [name for name in stated if name not in OVERRIDE_FIELDS]:
        raise FeatureError(f"{', '.join(unknown)} cannot be overridden; {', '.join(OVERRIDE_FIELDS)} can")
    types = [*_KEYS, *(pa.field(name, pa.float64()) for name in stated)]
    return spine.select([*_KEYS.names, *stated]).cast(pa.schema(types))


def _references(contract: ServiceContract) -> list[str]:
    """Feast's names of the stored features to join: the service's, and what its request-time ones are made from."""
    stored = {feature.name: feature.view for feature in contract.features if feature.view}
    requested = {feature.name for feature in contract.features if not feature.view}
    if unknown := sorted(requested - set(RATIO_OUTPUTS)):
        raise FeatureError(f"{contract.service}: credit.features does not compute {', '.join(unknown)}")
    if requested:
        places = {column.name: view.name for view in contract.views for column in view.columns}
        stored |= {name: places[name] for name in RATIO_INPUTS}
    return [f"{view}:{name}" for name, view in stored.items()]


def _joined(store: FeatureStore, references: list[str], keys: pa.Table) -> pa.Table:
    numbered = keys.append_column(_ORDER, pa.array(range(keys.num_rows), pa.int64()))
    with quiet_feast():
        job = store.get_historical_features(entity_df=numbered.to_pandas(), features=references)
        joined: pa.Table = job.to_arrow()
    return joined.sort_by(_ORDER)


def _with_request_time(joined: pa.Table, spine: pa.Table, contract: ServiceContract) -> pa.Table:
    """`joined` with the service's request-time features, as if each spine row were a request."""
    requested = [feature.name for feature in contract.features if not feature.view]
    if not requested:
        return joined
    overrides = {OVERRIDE_FIELDS[name]: _numbers(spine[name]) for name in spine.column_names if name in OVERRIDE_FIELDS}
    computed = application_ratios({name: _numbers(joined[name]) for name in RATIO_INPUTS}, overrides)
    for name in requested:
        joined = joined.append_column(name, pa.array(computed[name], from_pandas=True))
    return joined


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Shape (n,), NaN for null."""
    numbers: NDArray[np.float64] = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    return numbers


def _schema(contract: ServiceContract) -> pa.Schema:
    names = [feature.name for feature in contract.features]
    fields = [pa.field(name, ARROW_TYPES[kind]) for name, kind in zip(names, contract.types, strict=True)]
    return pa.schema([*_KEYS, *fields])
