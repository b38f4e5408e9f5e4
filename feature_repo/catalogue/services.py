"""Which feature service serves which features, as `feature_repo.feature_services` registers them with Feast."""

from typing import Final

from credit.schemas.overrides import OVERRIDABLE
from feature_repo.catalogue.model import Feature, View

DECISION: Final = "credit_scoring_v1"
FAIRNESS: Final = "fairness_v1"


def services_of(feature: Feature) -> tuple[str, ...]:
    """Names of the services that serve a feature: a protected one is never part of a decision.

    Amounts that a request may override serve as inputs of request-time features only.
    """
    if feature.name in OVERRIDABLE:
        return ()
    return (FAIRNESS,) if feature.protected else (DECISION,)


def services_of_view(view: View) -> tuple[str, ...]:
    """Names of the services that serve any feature of a view."""
    return tuple(sorted({name for feature in view.features for name in services_of(feature)}))
