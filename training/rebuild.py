"""Rebuilds the data a registered model was made of, from what its signed bundle says, and trains it again."""

import hashlib
from dataclasses import dataclass

from credit.bundle.bundle import Bundle
from credit.bundle.manifest import MODEL_FILE, Provenance
from credit.platform import Home
from credit.progress import step
from training.assemble import fit_parts
from training.dataset import fingerprint, load_dataset
from training.features import feature_source
from training.prepare import Prepared, prepare
from training.recipe import request_of, settings_of
from training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Data rebuilt from a bundle.

    Attributes:
        prepared: the data, split and encoded.
        settings: the training settings of that run.
        rows: clients by part.
        dataset_sha256: of the rebuilt data.
        same: whether rows and hash are those of the bundle.
        difference: what differs, in words; empty if nothing does.
    """

    prepared: Prepared
    settings: TrainingSettings
    rows: dict[str, int]
    dataset_sha256: str
    same: bool
    difference: str


def rebuild(home: Home, bundle: Bundle) -> Rebuilt:
    """Join, split and encode again what `bundle` was trained on.

    Args:
        home: holds the events and offline features.
        bundle: of a registered version.

    Raises:
        TrainingError: the data no longer reaches as far, or the settings are of another version of the platform.
        FeatureError: the feature service is not registered.
    """
    origin = bundle.manifest.provenance
    settings = settings_of(origin)
    with step("Load labels and historical features"):
        declared, source = feature_source(home, settings.feature_service)
        dataset = load_dataset(home, declared, source, request_of(origin))
    prepared = prepare(dataset, settings)
    rows, sha256 = prepared.split.sizes(), fingerprint(dataset, prepared.matrix)
    difference = _difference(origin, rows, sha256)
    return Rebuilt(prepared, settings, rows, sha256, not difference, difference)


def same_model(rebuilt: Rebuilt, bundle: Bundle) -> bool:
    """Fit again on the rebuilt data; whether the model's text is the same, byte for byte."""
    if rebuilt.prepared.contract != bundle.contract:
        return False
    text = fit_parts(rebuilt.prepared, rebuilt.settings).model_text
    return hashlib.sha256(text.encode()).hexdigest() == bundle.manifest.files[MODEL_FILE].sha256


def _difference(origin: Provenance, rows: dict[str, int], sha256: str) -> str:
    if rows != origin.rows:
        found = ", ".join(
            f"{name} {count:,} instead of {origin.rows.get(name, 0):,}"
            for name, count in rows.items()
            if count != origin.rows.get(name)
        )
        return f"the parts have other sizes: {found}"
    if sha256 != origin.dataset_sha256:
        return "the clients are the same and values are not: events or features were corrected since"
    return ""
