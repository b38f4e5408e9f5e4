"""One training run on a platform folder: wires data, Feast, keys and the registry."""

from collections.abc import Mapping

import pyarrow.parquet as pq

from credit.bundle.keys import load_private_key
from credit.platform import Home
from credit.progress import step
from training.dataset import load_dataset
from training.features import feature_source
from training.keys import signing_key
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


def oracle_probabilities(home: Home) -> Mapping[int, float] | None:
    """True probabilities of generated clients, for the report only; None for real data."""
    path = home.oracle / "oracle.parquet"
    if not path.exists():
        return None
    table = pq.read_table(path, columns=["SK_ID_CURR", "PD"])
    return dict(zip(table["SK_ID_CURR"].to_pylist(), table["PD"].to_pylist(), strict=True))
