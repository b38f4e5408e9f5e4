"""What goes to MLflow with a bundle: a run, and a folder of artifacts that is checked before anything points at it.

A version's artifacts are `MLmodel` (signature, flavour `credit_bundle`), the model card, `input_example.json` and the
signed bundle in the folder `bundle/`.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from mlflow import artifacts
from mlflow.entities import Metric, Param
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from credit.bundle.bundle import Bundle
from credit.bundle.reader import verify_bundle
from credit.errors import RegistryError
from training.registry.connection import Connection

#: Folder of the bundle among a version's artifacts.
BUNDLE_FOLDER = "bundle"
#: Files of the run that a version carries too.
_CARDS = ("model_card.md", "model_card.html")


@dataclass(frozen=True, slots=True)
class Extras:
    """What the tracker shows beside the bundle.

    Attributes:
        parameters: of the run.
        description: of the version, Markdown.
        input_example: one applicant's request values.
        plots: a folder.
        files: content by artifact name, such as "model_card.md" or "reports/fairness.json".
    """

    parameters: dict[str, str]
    description: str
    input_example: Mapping[str, float | str | None]
    plots: Path
    files: Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Upload:
    """Verified artifacts of a run, ready to become a version."""

    run_id: str
    model_id: str
    location: str


def tags_of(bundle: Bundle) -> dict[str, str]:
    """What a run or version is found by."""
    origin = bundle.manifest.provenance
    return {
        "bundle_id": bundle.bundle_id,
        "feature_service": bundle.contract.service,
        "data_window": f"{origin.data_from.isoformat()}/{origin.data_until.isoformat()}",
        "known_until": origin.known_until.isoformat(),
        "dataset_sha256": origin.dataset_sha256,
        "git_revision": origin.git_revision,
    }


def upload(
    connection: Connection,
    experiment: str,
    run_id: str,
    bundle_path: Path,
    bundle: Bundle,
    extras: Extras,
    public_key: Ed25519PublicKey,
) -> Upload:
    """Log everything to the run and a logged model, then fetch the bundle back and verify it.

    Raises:
        BundleError: what came back is altered.
        RegistryError: what came back is another bundle.
    """
    client = connection.client
    _log_run(connection, run_id, bundle, extras)
    model = client.create_logged_model(
        experiment, name=connection.name, source_run_id=run_id, model_type="lightgbm", params=extras.parameters
    )
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        shutil.copytree(bundle_path, staged / BUNDLE_FOLDER)
        _mlmodel(bundle, run_id, model.model_id).save(str(staged / "MLmodel"))
        (staged / "input_example.json").write_text(json.dumps(extras.input_example, indent=1), "utf-8")
        _write(staged, {name: extras.files[name] for name in _CARDS if name in extras.files})
        client.log_model_artifacts(model.model_id, str(staged))
    _check(connection, model.artifact_location, bundle, public_key)
    client.finalize_logged_model(model.model_id, "READY")
    return Upload(run_id, model.model_id, model.artifact_location)


def fetch_bundle(connection: Connection, location: str, folder: Path) -> Path:
    """Download the bundle among the artifacts at `location` below `folder` and return its directory, not verified."""
    local = artifacts.download_artifacts(
        artifact_uri=f"{location.rstrip('/')}/{BUNDLE_FOLDER}", dst_path=str(folder), tracking_uri=connection.uri
    )
    return Path(local)


def _check(connection: Connection, location: str, bundle: Bundle, public_key: Ed25519PublicKey) -> None:
    with tempfile.TemporaryDirectory() as folder:
        uploaded = verify_bundle(fetch_bundle(connection, location, Path(folder)), public_key)
    if uploaded != bundle.bundle_id:
        raise RegistryError(f"MLflow gave back bundle {uploaded}, not the one just trained: train again")


def _log_run(connection: Connection, run_id: str, bundle: Bundle, extras: Extras) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    connection.client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in bundle.metrics.items()],
        params=[Param(name, value) for name, value in extras.parameters.items()],
    )
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        shutil.copytree(extras.plots, staged / "plots")
        _write(staged, extras.files)
        connection.client.log_artifacts(run_id, str(staged))


def _write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _mlmodel(bundle: Bundle, run_id: str, model_id: str) -> Model:
    """MLflow's description of a model: read by its UI, executed by nobody (there is no python_function flavour)."""
    kinds = {"numeric": "double", "categorical": "string"}
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(kinds[feature.kind], feature.name, required=False) for feature in bundle.contract.features
    ]
    model = Model(
        run_id=run_id,
        model_id=model_id,
        signature=ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double", "probability")])),
    )
    return model.add_flavor("credit_bundle", data=BUNDLE_FOLDER, format=bundle.manifest.format)
