"""Point-in-time features of the decision's feature service, through Feast."""

from credit.errors import TrainingError
from credit.features import RATIO_OUTPUTS
from credit.platform import Home
from credit.schemas.features import ViewSpec
from feature_repo.store import ServiceContract, historical_features, service_contract
from training.dataset import FeatureSource


def feature_source(home: Home, service: str) -> tuple[tuple[ViewSpec, ...], FeatureSource]:
    """The layouts of a service's views, and where its historical features come from.

    Raises:
        FeatureError: the service is not registered.
        TrainingError: it holds request-time features that `credit.features` does not compute.
    """
    contract = service_contract(home, service)
    _check_request_time(contract)
    return contract.views, lambda spine: historical_features(home, spine, service)


def _check_request_time(contract: ServiceContract) -> None:
    unknown = sorted({feature.name for feature in contract.features if feature.view is None} - set(RATIO_OUTPUTS))
    if unknown:
        raise TrainingError(f"{contract.service}: credit.features does not compute {', '.join(unknown)}")
