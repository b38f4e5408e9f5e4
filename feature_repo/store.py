"""Feast's `FeatureStore` for a platform folder: the only door to feast for the packages above."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from feast import FeatureStore
from feast.base_feature_view import BaseFeatureView
from feast.errors import FeatureServiceNotFoundException

from credit.errors import FeatureError
from credit.platform import Home
from credit.schemas.features import ContractFeature, ValueType, ViewSpec
from feature_repo.environment import feast_environment
from feature_repo.online.specs import spec_of

REPO: Final = Path(__file__).parent


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
    return contract_of(open_store(home), service)


def contract_of(store: FeatureStore, name: str) -> ServiceContract:
    """The contract of a service of an opened store.

    Raises:
        FeatureError: the service is not registered.
    """
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
