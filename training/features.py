"""Point-in-time features of the decision's feature service, through Feast."""

from credit.platform import Home
from credit.schemas.features import FeatureContract
from feature_repo.store import historical_features, service_contract
from training.dataset import FeatureSource


def feature_source(home: Home, service: str) -> tuple[FeatureContract, FeatureSource]:
    """What a feature service delivers, its categories still unknown, and where its historical features come from.

    Raises:
        FeatureError: the service is not registered.
    """
    contract = service_contract(home, service)
    declared = FeatureContract(service=service, features=contract.features, views=contract.views, categories={})
    return declared, lambda spine: historical_features(home, spine, service)
