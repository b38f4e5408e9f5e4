"""One training run on a platform folder: wires data, Feast, keys and the registry."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from credit.bundle.keys import PUBLIC_KEY_FILE, load_private_key, make_key_pair
from credit.platform import Home
from credit.progress import step
from training.dataset import load_dataset
from training.features import feature_source
from training.pipeline import Trained, train_and_register
from training.registry import Registry
from training.settings import TrainingSettings


def run_training(home: Home, settings: TrainingSettings, sample: int | None = None) -> Trained:
    """Train on the platform folder's data and register the champion.

    The registry and the key are tried first, so that neither fails after the work is done.

    Args:
        home: holds events, offline features, Feast's registry and keys.
        settings: of training.
        sample: take about this many clients.

    Raises:
        TrainingError, DataError, FeatureError: the data cannot be trained on.
        RegistryError: MLflow cannot be reached.
        BundleError: the signing key cannot be read.
    """
    private_key = load_private_key(signing_key(home, settings))
    with step("Reach MLflow"):
        registry = Registry(settings.mlflow_tracking_uri, settings.model_name)
    with step("Load labels and historical features"):
        views, source = feature_source(home, settings.feature_service)
        dataset = load_dataset(home, views, source, sample)
    return train_and_register(dataset, settings, private_key, registry, oracle_probabilities(home))


def signing_key(home: Home, settings: TrainingSettings) -> Path:
    """The private key's file: as set, or the platform folder's own pair, made when first needed."""
    return settings.private_key or make_key_pair(home.keys).private


def verifying_key(home: Home, settings: TrainingSettings) -> Path:
    """The public key's file: as set, or the platform folder's own."""
    return settings.public_key or home.keys / PUBLIC_KEY_FILE


def oracle_probabilities(home: Home) -> Mapping[int, float] | None:
    """True probabilities of generated clients, for the report only; None for real data."""
    path = home.oracle / "oracle.parquet"
    if not path.exists():
        return None
    table = pq.read_table(path, columns=["SK_ID_CURR", "PD"])
    return dict(zip(table["SK_ID_CURR"].to_pylist(), table["PD"].to_pylist(), strict=True))
