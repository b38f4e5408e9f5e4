"""What the gates judge by, from a platform folder: unseen clients, and the registered feature service."""

from dataclasses import dataclass

from credit.bundle.bundle import Bundle
from credit.platform import Home
from credit.progress import step
from training.gates.schema import StoreContract
from training.unseen import Unseen


@dataclass(frozen=True, slots=True)
class Evidence:
    """The challenger's out-of-time test, and what its feature service delivers as registered."""

    unseen: Unseen
    store_contract: StoreContract


def load_evidence(home: Home, challenger: Bundle, champion: Bundle | None) -> Evidence:
    """Rebuild the challenger's out-of-time test, with the features of both models.

    Raises:
        TrainingError, DataError: the data it was tested on is not there.
        FeatureError: a feature service is not registered, or features are not built.
    """
    from training.features import feature_source
    from training.unseen import load_unseen  # type: ignore[attr-defined, unused-ignore]

    with step("Load unseen clients"):
        declared, _ = feature_source(home, challenger.contract.service)
        return Evidence(load_unseen(home, challenger, champion), declared)
