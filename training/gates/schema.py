"""The gate `schema`: the feature store holds what the challenger eats, laid out as it expects."""

from collections.abc import Iterator
from typing import Protocol

from credit.schemas.features import ContractFeature, FeatureContract, ViewSpec
from training.gates.report import Gate

_SHOWN = 5


class StoreContract(Protocol):
    """What the registered feature service delivers, such as `feature_repo.store.ServiceContract`."""

    @property
    def service(self) -> str:
        """Its name."""
        ...

    @property
    def features(self) -> tuple[ContractFeature, ...]:
        """In service order."""
        ...

    @property
    def views(self) -> tuple[ViewSpec, ...]:
        """Layouts of the views it reads."""
        ...


def schema_gate(contract: FeatureContract, store: StoreContract) -> Gate:
    """Every view of the contract is registered with the same schema hash, and every feature comes from where it did.

    Rows in Redis are found by view and schema hash, so that a view of another layout would read as absent.
    """
    problems = [*_views(contract, store), *_features(contract, store)]
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    agreed = f"{len(contract.views)} views and {len(contract.features)} features are registered in {store.service}"
    return Gate(
        name="schema",
        passed=not problems,
        figure=float(len(problems)),
        limit=0.0,
        sentence="; ".join(problems[:_SHOWN]) + more if problems else f"{agreed} as the model expects them",
    )


def _views(contract: FeatureContract, store: StoreContract) -> Iterator[str]:
    registered = {view.name: view for view in store.views}
    for view in contract.views:
        found = registered.get(view.name)
        if found is None:
            yield f"view {view.name} is not in feature service {store.service} as registered"
        elif found.schema_hash != view.schema_hash:
            yield f"view {view.name} is registered with another layout: {_difference(view, found)}"


def _difference(wanted: ViewSpec, found: ViewSpec) -> str:
    before, now = set(wanted.columns), set(found.columns)
    gone = [f"{column.name} {column.type} is gone" for column in wanted.columns if column not in now]
    new = [f"{column.name} {column.type} is new" for column in found.columns if column not in before]
    return ", ".join((gone + new)[:_SHOWN]) or "its columns are in another order"


def _features(contract: FeatureContract, store: StoreContract) -> Iterator[str]:
    registered = set(store.features)
    for feature in contract.features:
        if feature not in registered:
            origin = f"from view {feature.view}" if feature.view else "at request time"
            yield f"{store.service} delivers no {feature.kind} feature {feature.name} {origin}"
