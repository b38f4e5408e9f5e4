"""The training pipeline: labelled applications to a registered, signed champion."""

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
from training.assemble import complete_parts, fit_parts
from training.dataset import Dataset, fingerprint
from training.model_card import CardFacts, markdown
from training.plots import write_plots
from training.prepare import Prepared, prepare
from training.provenance import provenance_of
from training.registry import CHAMPION, Extras, Registry, Version
from training.report import report_on
from training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Trained:
    """A registered model: version, bundle id, figures on the out-of-time test, rows by part, duration."""

    version: Version
    bundle_id: str
    metrics: dict[str, float]
    rows: dict[str, int]
    seconds: float


def train_and_register(
    dataset: Dataset,
    settings: TrainingSettings,
    private_key: Ed25519PrivateKey,
    registry: Registry,
    oracle: Mapping[int, float] | None = None,
) -> Trained:
    """Train on `dataset`, sign the bundle, register it and make it the champion.

    Args:
        dataset: labelled applications with features.
        settings: of training.
        private_key: signs the bundle.
        registry: takes the version.
        oracle: true probabilities by client id of generated data; only reported, never trained on.

    Raises:
        TrainingError: the data cannot be trained on, or looks leaked.
        RegistryError: MLflow failed; nothing was registered.
    """
    started = time.perf_counter()
    prepared = prepare(dataset, settings)
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder) / "bundle", prepared, settings, private_key, oracle)
        with step("Register with MLflow"):
            extras = _extras(Path(folder) / "plots", bundle, prepared, settings)
            published = registry.publish(Path(folder) / "bundle", bundle, extras, private_key.public_key())
            registry.set_alias(CHAMPION, published.version)
            version = registry.version(published.version)
    seconds = time.perf_counter() - started
    return Trained(version, bundle.bundle_id, bundle.metrics, prepared.split.sizes(), seconds)


def make_bundle(
    target: Path,
    prepared: Prepared,
    settings: TrainingSettings,
    private_key: Ed25519PrivateKey,
    oracle: Mapping[int, float] | None = None,
) -> Bundle:
    """Fit, judge, write the signed bundle to `target`, and load it back as serving will."""
    dataset = prepared.dataset
    origin = provenance_of(dataset, prepared.split, fingerprint(dataset, prepared.matrix), settings)
    parts = fit_parts(prepared, settings)
    unsigned = Manifest(name=settings.model_name, feature_service=settings.feature_service, provenance=origin, files={})
    parts = complete_parts(parts, Bundle("", unsigned, parts), prepared, settings, oracle)
    write_bundle(target, parts, origin, private_key, name=settings.model_name)
    return load_bundle(target, private_key.public_key())


def _extras(plots: Path, bundle: Bundle, prepared: Prepared, settings: TrainingSettings) -> Extras:
    plots.mkdir()
    report = report_on(
        bundle,
        prepared.part("test"),
        prepared.part("calibration"),
        explain_rows=settings.explain_rows,
        seed=settings.seed,
    )
    write_plots(plots, report)
    card = markdown(CardFacts(bundle, report))
    return Extras(
        parameters=_parameters(bundle, settings),
        description=card,
        input_example=prepared.dataset.features.select(bundle.contract.names).slice(0, 1).to_pylist()[0],
        plots=plots,
        files={"model_card.md": card},
    )


def _parameters(bundle: Bundle, settings: TrainingSettings) -> dict[str, str]:
    """Settings that shape the model, and what came of them."""
    outcome = {"trees_taken": bundle.trees, "calibration": bundle.calibration.method}
    rows = {f"rows_{name}": count for name, count in bundle.manifest.provenance.rows.items()}
    return {name: str(value) for name, value in (settings.recipe() | outcome | rows).items()}
