"""One training run on a platform folder: wires data, Feast, keys and the registry."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from credit.bundle.keys import load_private_key
from credit.platform import Home
from credit.progress import step
from feature_repo.locations import event_store
from training.dataset import Dataset, load_dataset
from training.features import feature_source
from training.keys import signing_key
from training.pipeline import Trained, train_and_register
from training.prepare import prepare
from training.registry import Registry
from training.settings import TrainingSettings
from training.tune.request import TuneRequest

log = logging.getLogger(__name__)


def run_training(
    home: Home, settings: TrainingSettings, sample: int | None = None, request: TuneRequest | None = None
) -> Trained:
    """Train on the platform folder's data and register the champion.

    The registry and the key are tried first, so that neither fails after the work is done.

    Args:
        home: holds events, offline features, Feast's registry and keys.
        settings: of training.
        sample: take about this many clients.
        request: tune the settings first.

    Raises:
        TrainingError, DataError, FeatureError: the data cannot be trained on.
        SettingsError, StepError: tuning cannot open its study or join Ray, or lost them on the way.
        RegistryError: MLflow cannot be reached.
        BundleError: the signing key cannot be read.
    """
    private_key = load_private_key(signing_key(home, settings))
    with step("Reach MLflow"):
        registry = Registry(settings.mlflow_tracking_uri, settings.model_name)
    with step("Load labels and historical features"):
        declared, source = feature_source(home, settings.feature_service)
        dataset = load_dataset(home, declared, source, sample)
    if request is not None:
        settings = _tuned(dataset, settings, request)
    return train_and_register(dataset, settings, private_key, registry, _oracle(home, dataset))


def _tuned(dataset: Dataset, settings: TrainingSettings, request: TuneRequest) -> TrainingSettings:
    """The best settings of a study, whose report is kept in the study's folder."""
    from training.tune.search import tune  # takes a second to import, and few runs tune

    prepared = prepare(dataset, settings)
    with step("Tune", total=request.trials) as progress:
        tuned = tune(prepared, settings, request, progress)
    folder = request.folder / tuned.report.study
    tuned.write(folder)
    log.info("%s; report in %s", tuned.report.summary(), folder)
    return tuned.settings


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
