"""The training pipeline: labelled applications to a registered, signed challenger."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from credit.bundle.bundle import Bundle
from credit.bundle.manifest import Manifest
from credit.bundle.reader import load_bundle
from credit.bundle.writer import write_bundle
from credit.progress import step
from training.assemble import Judged, fit_parts, judge_parts
from training.dataset import Dataset, FeatureSource, fingerprint
from training.exhibits import Exhibits, exhibits_of
from training.prepare import Prepared, prepare
from training.provenance import provenance_of
from training.registry import Registry, Version
from training.settings import TrainingSettings
from training.tune.request import TuneRequest
from training.tuned import tuned_settings
from training.unseen import Unseen, unseen_of


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model is made of and judged on.

    Attributes:
        dataset: labelled applications with features.
        demographics: protected attributes of a spine, for fairness only.
        oracle: true probabilities by client id of generated data; only reported, never trained on.
    """

    dataset: Dataset
    demographics: FeatureSource
    oracle: Mapping[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A registered model: version, bundle id, figures on the out-of-time test, rows by part, duration."""

    version: Version
    bundle_id: str
    metrics: dict[str, float]
    rows: dict[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Challenger:
    """What was trained, its verified bundle, and the clients that may judge it."""

    trained: Trained
    bundle: Bundle
    unseen: Unseen


def train_and_register(
    data: TrainingData,
    settings: TrainingSettings,
    private_key: Ed25519PrivateKey,
    registry: Registry,
    tuning: TuneRequest | None = None,
) -> Challenger:
    """Train, sign the bundle and register it as the challenger.

    Args:
        data: to train and judge on.
        settings: of training.
        private_key: signs the bundle.
        registry: takes the version.
        tuning: search better settings first.

    Raises:
        TrainingError: the data cannot be trained on, or looks leaked.
        SettingsError, StepError: tuning cannot open its study or join Ray, or lost them on the way.
        RegistryError: MLflow failed; nothing was registered.
    """
    started = time.perf_counter()
    prepared = prepare(data.dataset, settings)
    tuned = tuned_settings(prepared, settings, tuning) if tuning else None
    settings = tuned.settings if tuned else settings
    with step("Load groups for fairness"):
        unseen = unseen_of(data.dataset, prepared.split.test, data.demographics)
    with tempfile.TemporaryDirectory() as folder:
        bundle, judged = make_bundle(
            Path(folder) / "bundle", prepared, settings, private_key, unseen=unseen, oracle=data.oracle
        )
        with step("Draw plots and write the model card"):
            extras = exhibits_of(Path(folder) / "plots", Exhibits(bundle, judged, prepared, settings, unseen, tuned))
        with step("Register with MLflow"):
            version = registry.publish(Path(folder) / "bundle", bundle, extras, private_key.public_key())
    seconds = time.perf_counter() - started
    trained = Trained(version, bundle.bundle_id, bundle.metrics, prepared.split.sizes(), seconds)
    return Challenger(trained, bundle, unseen)


def make_bundle(
    target: Path,
    prepared: Prepared,
    settings: TrainingSettings,
    private_key: Ed25519PrivateKey,
    *,
    unseen: Unseen,
    oracle: Mapping[int, float] | None = None,
) -> tuple[Bundle, Judged]:
    """Fit, judge, write the signed bundle to `target`, and load it back as serving will."""
    dataset = prepared.dataset
    origin = provenance_of(dataset, prepared.split, fingerprint(dataset, prepared.matrix), settings)
    parts = fit_parts(prepared, settings)
    unsigned = Manifest(name=settings.model_name, feature_service=settings.feature_service, provenance=origin, files={})
    in_memory = Bundle("", unsigned, parts)
    judged = judge_parts(parts, in_memory, prepared, settings, groups=unseen.groups, oracle=oracle)
    write_bundle(target, judged.parts, origin, private_key, name=settings.model_name)
    return load_bundle(target, private_key.public_key()), judged
