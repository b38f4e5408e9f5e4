"""The model registry: MLflow runs, versions and aliases, without any pickle flavour.

A version's artifacts are `MLmodel` (signature, flavour `credit_bundle`), `model_card.md`, `input_example.json` and
the signed bundle in the folder `bundle/`.
"""

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from mlflow import MlflowClient, artifacts
from mlflow.entities import Metric, Param
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from credit.bundle.bundle import Bundle
from credit.bundle.reader import load_bundle, verify_bundle
from credit.errors import RegistryError

#: Folder of the bundle among a version's artifacts.
BUNDLE_FOLDER = "bundle"
CHAMPION = "champion"
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True, slots=True)
class Version:
    """One registered version, for people and machines. `created` is UTC."""

    name: str
    version: str
    aliases: tuple[str, ...]
    created: datetime
    run_id: str
    tags: dict[str, str]


class Registry:
    """Publishes and reads versions of one registered model.

    Raises:
        RegistryError: from every method, when MLflow cannot be reached or does not hold what was asked for.
    """

    def __init__(self, tracking_uri: str, name: str) -> None:
        self._uri = tracking_uri
        self._name = name
        # MLflow's own default repeats for minutes; a person waits for this answer.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with self._errors("reach"):
            _make_sqlite_folder(tracking_uri)
            self._client = _client(tracking_uri)
            self._experiment = self._experiment_id()

    def publish(self, bundle_path: Path, bundle: Bundle, extras: "Extras", public_key: Ed25519PublicKey) -> Version:
        """Register the bundle as a new version and make it the champion.

        The alias moves last, after the uploaded bundle was fetched again and verified. On any failure there is no
        new version, the alias stays, and the run is marked as failed.
        """
        with self._errors("register with"):
            run_id = self._client.create_run(self._experiment, run_name=bundle.bundle_id[:12]).info.run_id
            try:
                registered = self._publish(run_id, bundle_path, bundle, extras, public_key)
            except BaseException:
                self._client.set_terminated(run_id, status="FAILED")
                raise
            self._client.set_terminated(run_id)
        return self.version(registered)

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        with self._errors("read from"):
            found = self._client.search_model_versions(f"name = '{self._name}'")
            return sorted((self._describe(version) for version in found), key=lambda one: -int(one.version))

    def version(self, wanted: str) -> Version:
        """The version with this number or alias."""
        with self._errors("read from"):
            if wanted.isdigit():
                return self._describe(self._client.get_model_version(self._name, wanted))
            return self._describe(self._client.get_model_version_by_alias(self._name, wanted))

    def fetch(self, version: str, folder: Path) -> Path:
        """Download the bundle of a version number below `folder` and return its directory; it is not yet verified."""
        with self._errors("download from"):
            uri = self._client.get_model_version_download_uri(self._name, version)
            return Path(
                artifacts.download_artifacts(
                    artifact_uri=f"{uri.rstrip('/')}/{BUNDLE_FOLDER}", dst_path=str(folder), tracking_uri=self._uri
                )
            )

    def load(self, version: str, public_key: Ed25519PublicKey) -> Bundle:
        """Download, verify and load a version.

        Raises:
            BundleError: it is altered or signed with another key.
        """
        with tempfile.TemporaryDirectory() as folder:
            return load_bundle(self.fetch(version, Path(folder)), public_key)

    def _publish(
        self, run_id: str, bundle_path: Path, bundle: Bundle, extras: "Extras", public_key: Ed25519PublicKey
    ) -> str:
        self._log_run(run_id, bundle, extras)
        model = self._client.create_logged_model(
            self._experiment, name=self._name, source_run_id=run_id, model_type="lightgbm", params=extras.parameters
        )
        with tempfile.TemporaryDirectory() as folder:
            staged = Path(folder)
            shutil.copytree(bundle_path, staged / BUNDLE_FOLDER)
            _mlmodel(bundle, run_id, model.model_id).save(str(staged / "MLmodel"))
            (staged / "model_card.md").write_text(extras.model_card, "utf-8")
            (staged / "input_example.json").write_text(json.dumps(extras.input_example, indent=1), "utf-8")
            self._client.log_model_artifacts(model.model_id, str(staged))
        self._client.finalize_logged_model(model.model_id, "READY")
        self._ensure_registered_model()
        created = self._client.create_model_version(
            self._name,
            # Not models:/<id>: MLflow's SQL registry looks that up in the process-wide tracking address, not in ours.
            source=model.artifact_location,
            run_id=run_id,
            model_id=model.model_id,
            tags=_tags(bundle),
            description=extras.model_card,
        )
        try:
            self._check_upload(str(created.version), bundle, public_key)
            self._client.set_registered_model_alias(self._name, CHAMPION, created.version)
        except BaseException:
            self._client.delete_model_version(self._name, created.version)
            raise
        return str(created.version)

    def _log_run(self, run_id: str, bundle: Bundle, extras: "Extras") -> None:
        now = int(datetime.now(UTC).timestamp() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in bundle.metrics.items()],
            params=[Param(name, value) for name, value in extras.parameters.items()],
        )
        for name, value in _tags(bundle).items():
            self._client.set_tag(run_id, name, value)
        self._client.log_artifacts(run_id, str(extras.plots), "plots")

    def _check_upload(self, version: str, bundle: Bundle, public_key: Ed25519PublicKey) -> None:
        with tempfile.TemporaryDirectory() as folder:
            uploaded = verify_bundle(self.fetch(version, Path(folder)), public_key)
        if uploaded != bundle.bundle_id:
            raise RegistryError(f"version {version} holds bundle {uploaded}, not the one just trained")

    def _ensure_registered_model(self) -> None:
        try:
            self._client.get_registered_model(self._name)
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            self._client.create_registered_model(self._name, description="Probability of default of an application.")

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._name)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(self._name, artifact_location=_artifact_folder(self._uri)))

    def _describe(self, version: ModelVersion) -> Version:
        aliases = self._client.get_registered_model(self._name).aliases
        return Version(
            name=self._name,
            version=str(version.version),
            aliases=tuple(sorted(alias for alias, number in aliases.items() if str(number) == str(version.version))),
            created=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),
            run_id=version.run_id or "",
            tags=dict(version.tags),
        )

    @contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            if error.error_code in _ABSENT:
                raise RegistryError(
                    f"{self._uri} does not hold this model or version of {self._name}: {error.message}; "
                    "see `creditctl models list`, or train with `creditctl train`"
                ) from error
            raise self._failure(verb, error) from error
        except (OSError, ImportError) as error:
            raise self._failure(verb, error) from error
        except Exception as error:
            # SQLAlchemy's errors are no part of MLflow's interface, so they are told by their package.
            if type(error).__module__.partition(".")[0] != "sqlalchemy":
                raise
            raise self._failure(verb, error) from error

    def _failure(self, verb: str, error: Exception) -> RegistryError:
        return RegistryError(
            f"cannot {verb} MLflow at {self._uri}: {error}; start it, or correct TRAINING_MLFLOW_TRACKING_URI"
        )


@dataclass(frozen=True, slots=True)
class Extras:
    """What the tracker shows beside the bundle. `plots` is a folder, `input_example` one applicant's request values."""

    parameters: dict[str, str]
    model_card: str
    input_example: Mapping[str, float | str | None]
    plots: Path


def _tags(bundle: Bundle) -> dict[str, str]:
    origin = bundle.manifest.provenance
    return {
        "bundle_id": bundle.bundle_id,
        "feature_service": bundle.contract.service,
        "data_window": f"{origin.data_from.isoformat()}/{origin.data_until.isoformat()}",
        "git_revision": origin.git_revision,
    }


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


def _client(uri: str) -> MlflowClient:
    with warnings.catch_warnings():
        # MLflow's SQL models use an option that SQLAlchemy deprecates; nobody here can act on it.
        warnings.filterwarnings("ignore", message="The ``noload`` loader", category=DeprecationWarning)
        return MlflowClient(uri, registry_uri=uri)


def _make_sqlite_folder(uri: str) -> None:
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)


def _artifact_folder(uri: str) -> str | None:
    """Beside an SQLite database; a tracking server decides for itself."""
    if not uri.startswith("sqlite:///"):
        return None
    return str(Path(uri.removeprefix("sqlite:///")).parent.absolute() / "artifacts")
