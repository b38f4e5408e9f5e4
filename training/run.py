"""One training run on a platform folder: wires data, Feast, keys, the registry and the gates."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from credit.bundle.keys import load_private_key
from credit.platform import Home
from credit.progress import step
from credit.schemas.features import FeatureContract
from feature_repo.locations import event_store
from training.dataset import Dataset, load_dataset
from training.features import feature_source
from training.gates import GateSettings
from training.governance import Promotion, promote
from training.keys import signing_key
from training.pipeline import Challenger, Trained, TrainingData, train_and_register
from training.recipe import label_request
from training.registry import Registry
from training.settings import TrainingSettings
from training.tune.request import TuneRequest
from training.unseen import FAIRNESS_SERVICE


@dataclass(frozen=True, slots=True)
class PromotionWish:
    """Who asks that the new model becomes champion, and why; `force` even against the gates."""

    who: str
    why: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run did; `promotion` is None where nobody asked for it."""

    trained: Trained
    promotion: Promotion | None


def run_training(
    home: Home,
    settings: TrainingSettings,
    sample: int | None = None,
    tuning: TuneRequest | None = None,
    promotion: PromotionWish | None = None,
) -> Finished:
    """Train on the platform folder's data, register the challenger and, if wished, promote it.

    The registry and the key are tried first, so that neither fails after the work is done.

    Args:
        home: holds events, offline features, Feast's registry and keys.
        settings: of training.
        sample: take about this many clients.
        tuning: tune the settings first.
        promotion: pass the new model through the gates and make it the champion.

    Raises:
        TrainingError, DataError, FeatureError: the data cannot be trained on.
        SettingsError, StepError: tuning cannot open its study or join Ray, or lost them on the way.
        RegistryError: MLflow cannot be reached.
        BundleError: the signing key cannot be read.
        GateRefusedError: a gate refuses the promotion; the challenger stays registered.
    """
    private_key = load_private_key(signing_key(home, settings))
    limits = GateSettings()
    with step("Reach MLflow"):
        registry = Registry(settings.mlflow_tracking_uri, settings.model_name)
    with step("Load labels and historical features"):
        declared, source = feature_source(home, settings.feature_service)
        dataset = load_dataset(home, declared, source, label_request(settings, sample))
    _, demographics = feature_source(home, FAIRNESS_SERVICE)
    data = TrainingData(dataset, demographics, _oracle(home, dataset))
    challenger = train_and_register(data, settings, private_key, registry, tuning)
    if promotion is None:
        return Finished(challenger.trained, None)
    done = _promote(registry, challenger, declared, limits, private_key, promotion)
    return Finished(challenger.trained, done)


def _promote(
    registry: Registry,
    challenger: Challenger,
    declared: FeatureContract,
    limits: GateSettings,
    private_key: Ed25519PrivateKey,
    wish: PromotionWish,
) -> Promotion:
    with step("Judge and promote"):
        return promote(
            registry,
            challenger.trained.version.version,
            challenger.bundle,
            challenger.unseen,
            declared,
            limits,
            public_key=private_key.public_key(),
            who=wish.who,
            why=wish.why,
            force=wish.force,
        )


def oracle_probabilities(path: Path, client_ids: NDArray[np.int64]) -> Mapping[int, float] | None:
    """True probabilities of generated clients, for the report only; None unless the file knows all of `client_ids`."""
    if not path.exists():
        return None
    table = pq.read_table(path, columns=["SK_ID_CURR", "PD"])
    known = dict(zip(table["SK_ID_CURR"].to_pylist(), table["PD"].to_pylist(), strict=True))
    return known if known.keys() >= set(client_ids.tolist()) else None


def _oracle(home: Home, dataset: Dataset) -> Mapping[int, float] | None:
    """The oracle of the platform's own generated data, which alone lives on after its applications."""
    if not event_store(home).meta.lives_on:
        return None
    return oracle_probabilities(home.oracle / "oracle.parquet", dataset.client_ids)
