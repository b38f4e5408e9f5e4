"""Versions of one registered model: published whole, read, and named by aliases."""

import re
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from credit.bundle.bundle import Bundle
from credit.bundle.reader import load_bundle
from credit.errors import RegistryError
from training.registry.connection import Connection, is_absent
from training.registry.publication import Extras, Upload, fetch_bundle, tags_of, upload
from training.registry.version import Version, version_of

CHAMPION = "champion"
CHALLENGER = "challenger"
_RUN_ID = re.compile("[0-9a-f]{32}")


class Registry:
    """Publishes and reads versions of one registered model, and moves its aliases.

    Raises:
        RegistryError: from every method, when MLflow cannot be reached or does not hold what was asked for.
    """

    def __init__(self, tracking_uri: str, name: str) -> None:
        self.connection = Connection(tracking_uri, name)
        self._client = self.connection.client
        self._name = name
        with self.connection.errors("reach"):
            self._experiment = self.connection.experiment(name)

    @property
    def name(self) -> str:
        """Of the registered model."""
        return self._name

    def publish(self, bundle_path: Path, bundle: Bundle, extras: Extras, public_key: Ed25519PublicKey) -> Version:
        """Register the bundle as a new version and make it the challenger; no other alias moves.

        The version is made, with its tags, in one call, after everything was uploaded, and the bundle fetched back and
        verified. On a failure there is no new version, and the run is marked as failed if MLflow still answers.

        Raises:
            BundleError: what came back from MLflow is altered.
        """
        with self.connection.errors("register with"):
            run_id = self._client.create_run(
                self._experiment, run_name=bundle.bundle_id[:12], tags=tags_of(bundle)
            ).info.run_id
            try:
                uploaded = upload(self.connection, self._experiment, run_id, bundle_path, bundle, extras, public_key)
                registered = self._register(uploaded, bundle, extras)
            except BaseException:
                self.connection.mark_failed(run_id)
                raise
        return self.version(registered)

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        with self.connection.errors("read from"):
            model = self._registered_model()
            found = self._client.search_model_versions(f"name = '{self._name}'") if model else []
            aliases = model.aliases if model else {}
            return sorted((version_of(one, aliases) for one in found), key=lambda one: -int(one.version))

    def version(self, wanted: str) -> Version:
        """The version with this number or alias."""
        with self.connection.errors("read from"):
            if wanted.isdigit():
                found = self._client.get_model_version(self._name, wanted)
            else:
                found = self._client.get_model_version_by_alias(self._name, wanted)
            return version_of(found, self._client.get_registered_model(self._name).aliases)

    def find(self, wanted: str) -> Version:
        """The version with this number or alias, or the one that this training run registered."""
        if not _RUN_ID.fullmatch(wanted):
            return self.version(wanted)
        found = self.version_of_run(wanted)
        if found is None:
            raise RegistryError(f"run {wanted} registered no version of {self._name}: see `creditctl models list`")
        return found

    def version_of_run(self, run_id: str) -> Version | None:
        """The version that a training run registered; None for a run that registered nothing."""
        return next((version for version in self.versions() if version.run_id == run_id), None)

    def holder(self, alias: str) -> Version | None:
        """The version that an alias names; None when nothing has it."""
        with self.connection.errors("read from"):
            model = self._registered_model()
            if model is None or alias not in model.aliases:
                return None
        return self.version(alias)

    def champion(self) -> Version | None:
        """The version that decides; None when there is none."""
        return self.holder(CHAMPION)

    def set_alias(self, alias: str, version: str) -> None:
        """Let `alias` name this version number, and no other."""
        with self.connection.errors("set an alias in"):
            self._client.set_registered_model_alias(self._name, alias, version)

    def remove_alias(self, alias: str) -> None:
        """Let `alias` name nothing."""
        with self.connection.errors("remove an alias from"):
            self._client.delete_registered_model_alias(self._name, alias)

    def fetch(self, version: str, folder: Path) -> Path:
        """Download the bundle of a version number below `folder` and return its directory; it is not yet verified."""
        with self.connection.errors("download from"):
            location = self._client.get_model_version_download_uri(self._name, version)
            return fetch_bundle(self.connection, location, folder)

    def load(self, version: str, public_key: Ed25519PublicKey) -> Bundle:
        """Download, verify and load a version.

        Raises:
            BundleError: it is altered or signed with another key.
        """
        with tempfile.TemporaryDirectory() as folder:
            return load_bundle(self.fetch(version, Path(folder)), public_key)

    def _register(self, uploaded: Upload, bundle: Bundle, extras: Extras) -> str:
        if self._registered_model() is None:
            self._client.create_registered_model(self._name, description="Probability of default of an application.")
        created = self._client.create_model_version(
            self._name,
            # Not models:/<id>: MLflow's SQL registry looks that up in the process-wide tracking address, not in ours.
            source=uploaded.location,
            run_id=uploaded.run_id,
            model_id=uploaded.model_id,
            tags=tags_of(bundle),
            description=extras.description,
        )
        try:
            self._client.set_terminated(uploaded.run_id)
            self._client.set_registered_model_alias(self._name, CHALLENGER, created.version)
        except BaseException as error:
            self._withdraw(str(created.version), error)
            raise
        return str(created.version)

    def _withdraw(self, version: str, cause: BaseException) -> None:
        with suppress(Exception):
            self._client.delete_model_version(self._name, version)
            return
        raise RegistryError(
            f"version {version} of {self._name} is registered whole, but MLflow at {self.connection.uri} went away "
            f"before it became the challenger: {cause}; start MLflow, then `creditctl models promote {version}`"
        ) from cause

    def _registered_model(self) -> RegisteredModel | None:
        try:
            return self._client.get_registered_model(self._name)
        except MlflowException as error:
            if not is_absent(error):
                raise
            return None
