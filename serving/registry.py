"""The model registry: which version an alias names, and its bundle. MLflow is imported on first use, never before."""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from credit.errors import RegistryError

#: Folder of the bundle among a model version's artifacts.
BUNDLE_FOLDER = "bundle"
_NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class NoChampionError(RegistryError):
    """The registry answers, but no version carries the alias."""

    code = "no_champion"


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One registered model version. `source` tells it from another of the same number in a new registry."""

    name: str
    version: str
    source: str


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """What the registry tells of one version. `bundle` is its manifest's sha256, where training left it."""

    version: str
    created: datetime
    aliases: tuple[str, ...]
    bundle: str | None


class ModelRegistry(Protocol):
    """Port: resolves an alias and fetches a version's bundle."""

    def resolve(self, name: str, alias: str) -> RegisteredVersion:
        """The version that `alias` names.

        Raises:
            NoChampionError: there is no such model or alias.
            RegistryError: the registry cannot be reached.
        """
        ...

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        """Download the bundle of `version` as the new directory `target`.

        Raises:
            RegistryError: the registry or its artifact store cannot be reached, or holds no bundle.
        """
        ...


class MlflowRegistry:
    """`ModelRegistry` over MLflow; for one thread."""

    def __init__(self, tracking_uri: str) -> None:
        self._tracking_uri = tracking_uri
        self._made: Any = None

    def resolve(self, name: str, alias: str) -> RegisteredVersion:
        """The version that `alias` names."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client().get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in _NOT_FOUND:
                raise NoChampionError(
                    f"no version of {name} is {alias} in {self._tracking_uri}: run `creditctl train --promote`"
                ) from error
            raise self._unreachable(error) from error
        except Exception as error:  # the tracking store's own errors: SQL, HTTP, files
            raise self._unreachable(error) from error
        return RegisteredVersion(name, str(found.version), f"{found.source} {found.creation_timestamp}")

    def fetch(self, version: RegisteredVersion, target: Path) -> None:
        """Download the bundle of `version` as the new directory `target`."""
        from mlflow import artifacts

        try:
            uri = self._client().get_model_version_download_uri(version.name, version.version)
            folder = target.with_name(f"{target.name}.download")
            folder.mkdir()
            local = artifacts.download_artifacts(
                artifact_uri=f"{uri.rstrip('/')}/{BUNDLE_FOLDER}",
                dst_path=str(folder),
                tracking_uri=self._tracking_uri,
            )
        except Exception as error:  # the artifact store's own errors: files, HTTP, object storage
            raise RegistryError(
                f"cannot fetch the bundle of {version.name} version {version.version}: {error}"
            ) from error
        # Bundles are plain directories of regular files; anything a store could smuggle in is refused on verification.
        shutil.move(local, target)

    def versions(self, name: str) -> tuple[ListedVersion, ...]:
        """All versions of a registered model, the newest first.

        Raises:
            RegistryError: the registry cannot be reached or has no such model.
        """
        try:
            client = self._client()
            aliases = client.get_registered_model(name).aliases
            found = client.search_model_versions(f"name = '{name}'")
        except Exception as error:  # the tracking store's own errors: SQL, HTTP, files
            raise self._unreachable(error) from error
        listed = (
            ListedVersion(
                version=str(one.version),
                created=datetime.fromtimestamp(one.creation_timestamp / 1000, tz=UTC),
                aliases=tuple(sorted(alias for alias, number in aliases.items() if str(number) == str(one.version))),
                bundle=one.tags.get("bundle_id"),
            )
            for one in found
        )
        return tuple(sorted(listed, key=lambda one: -int(one.version)))

    def _client(self) -> Any:
        if self._made is None:
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the next look comes soon
            from mlflow import MlflowClient

            self._made = MlflowClient(self._tracking_uri, registry_uri=self._tracking_uri)
        return self._made

    def _unreachable(self, error: Exception) -> RegistryError:
        return RegistryError(f"the model registry {self._tracking_uri} does not answer: {error}")
