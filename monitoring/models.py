"""Model versions as monitoring needs them: which one an alias names, and its verified bundle."""

import os
import tempfile
from pathlib import Path
from typing import Any, Final

from credit.bundle.bundle import Bundle
from credit.bundle.keys import PUBLIC_KEY_FILE, load_public_key
from credit.bundle.reader import load_bundle
from credit.errors import RegistryError
from credit.platform import Home
from monitoring.settings import MonitoringSettings

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
_BUNDLE_FOLDER: Final = "bundle"
_ABSENT: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Models:
    """Reads the model registry; moves nothing. MLflow is imported when it is first asked.

    Raises:
        RegistryError: from every method, when the registry does not answer.
    """

    def __init__(self, settings: MonitoringSettings) -> None:
        self._uri = settings.mlflow_tracking_uri
        self._name = settings.model_name
        self._public_key = settings.public_key or Home.current().keys / PUBLIC_KEY_FILE
        self._loaded: dict[str, Bundle] = {}
        self._made: Any = None

    def holder(self, alias: str) -> str | None:
        """Number of the version that `alias` names, or None."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client().get_model_version_by_alias(self._name, alias).version)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise self._away(error) from error
        except Exception as error:  # the tracking store's own errors: SQL, HTTP, files
            raise self._away(error) from error

    def champion(self) -> str:
        """Number of the version that decides.

        Raises:
            RegistryError: there is none.
        """
        found = self.holder(CHAMPION)
        if found is None:
            raise RegistryError(f"no version of {self._name} is {CHAMPION}: run `creditctl train --promote`")
        return found

    def bundle(self, version: str) -> Bundle:
        """The verified bundle of a version number; kept after the first time.

        Raises:
            BundleError: it is altered, or signed with another key.
        """
        if version not in self._loaded:
            with tempfile.TemporaryDirectory() as folder:
                self._loaded[version] = load_bundle(
                    self._fetched(version, Path(folder)), load_public_key(self._public_key)
                )
        return self._loaded[version]

    def _fetched(self, version: str, folder: Path) -> Path:
        from mlflow import artifacts

        try:
            uri = self._client().get_model_version_download_uri(self._name, version)
            local = artifacts.download_artifacts(
                artifact_uri=f"{uri.rstrip('/')}/{_BUNDLE_FOLDER}", dst_path=str(folder), tracking_uri=self._uri
            )
        except Exception as error:  # the artifact store's own errors: files, HTTP, object storage
            raise RegistryError(f"cannot fetch the bundle of {self._name} version {version}: {error}") from error
        return Path(local)

    def _client(self) -> Any:
        if self._made is None:
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            from mlflow import MlflowClient

            self._made = MlflowClient(self._uri, registry_uri=self._uri)
        return self._made

    def _away(self, error: Exception) -> RegistryError:
        return RegistryError(f"the model registry {self._uri} does not answer: {error}")
