"""What consumers read: the decision's features, and the protected attributes for fairness monitoring."""

from collections.abc import Mapping
from typing import Final

from feast import FeatureService, FeatureView, OnDemandFeatureView

from credit.errors import FeatureError
from credit.schemas.overrides import OVERRIDABLE
from feature_repo.catalogue import Catalogue

DECISION: Final = "credit_scoring_v1"
FAIRNESS: Final = "fairness_v1"


def decision_service(
    catalogue: Catalogue, views: Mapping[str, FeatureView], on_demand: OnDemandFeatureView
) -> FeatureService:
    """Every view without protected attributes, in catalogue order, then the request-time features.

    Stored amounts that a request may override are inputs of those, and not features: a model that saw both could
    contradict itself.

    Raises:
        FeatureError: a view mixes protected and other attributes.
    """
    chosen = [_not_overridable(views[view.name]) for view in catalogue.views if not _protected(catalogue, view.name)]
    return FeatureService(
        name=DECISION,
        features=[*chosen, on_demand],
        description="What the scoring model reads. Holds no protected attribute.",
        owner=chosen[0].owner,
    )


def fairness_service(catalogue: Catalogue, views: Mapping[str, FeatureView]) -> FeatureService:
    """The protected attributes: for monitoring groups of decisions, never for a decision."""
    chosen = [views[view.name] for view in catalogue.views if _protected(catalogue, view.name)]
    return FeatureService(
        name=FAIRNESS,
        features=[*chosen],
        description="Protected attributes, for fairness monitoring only; offline.",
        owner=chosen[0].owner,
    )


def _not_overridable(view: FeatureView) -> FeatureView:
    names = [field.name for field in view.features if field.name not in OVERRIDABLE]
    return view if len(names) == len(view.features) else view[names]


def _protected(catalogue: Catalogue, name: str) -> bool:
    flags = {feature.protected for feature in catalogue.view(name).features}
    if len(flags) > 1:
        raise FeatureError(f"view {name} mixes protected and other attributes; move the protected ones into their own")
    return flags == {True}
