"""One MLflow server or database, its experiments, and its errors told as ours."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from credit.errors import RegistryError

_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def is_absent(error: MlflowException) -> bool:
    """Whether MLflow answers that it does not hold what was asked for."""
    return error.error_code in _ABSENT


class Connection:
    """A client of one MLflow, for one registered model.

    Attributes:
        uri: sqlite:/// or http(s):// address.
        name: of the registered model.
        client: of tracking and registry both.

    Raises:
        RegistryError: MLflow cannot be reached.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri = uri
        self.name = name
        # MLflow's own default repeats for minutes; a person waits for this answer.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with self.errors("reach"):
            _make_sqlite_folder(uri)
            self.client = _client(uri)

    def experiment(self, name: str) -> str:
        """The id of an experiment, made when first needed."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self.client.create_experiment(name, artifact_location=_artifact_folder(self.uri)))

    def mark_failed(self, run_id: str) -> None:
        """Mark a run as failed if MLflow still answers; what made it fail is the error to tell."""
        with suppress(Exception):
            self.client.set_terminated(run_id, status="FAILED")

    @contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Tell MLflow's errors as `RegistryError`; `verb` says what could not be done with MLflow."""
        try:
            yield
        except MlflowException as error:
            if is_absent(error):
                raise RegistryError(
                    f"{self.uri} does not hold this model or version of {self.name}: {error.message}; "
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
            f"cannot {verb} MLflow at {self.uri}: {error}; start it, or correct TRAINING_MLFLOW_TRACKING_URI"
        )


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
