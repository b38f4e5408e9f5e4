"""What serving needs around it, real: a registered signed bundle in MLflow, feature rows in Redis, an environment."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bundles import make_bundle, random_views, small_contract

from credit.bundle.keys import PUBLIC_KEY_FILE
from credit.schemas.features import FeatureContract, ViewBatch
from feature_repo.online.codec import Rows, encode_rows
from feature_repo.online.keys import client_key
from feature_repo.online.layout import layout_of

MODEL = "credit-scoring"
PROJECT = "testing"
FIRST_CLIENT = 100_001


def write_clients(client, contract: FeatureContract, count: int, *, seed: int = 5) -> dict[str, ViewBatch]:
    """Store rows of `count` clients from FIRST_CLIENT on, built now; returns what was stored."""
    views = random_views(contract, count, seed=seed)
    ids = np.arange(FIRST_CLIENT, FIRST_CLIENT + count, dtype=np.int64)
    built = np.full(count, time.time_ns() // 1000, dtype=np.int64)
    for view in views.values():
        _whole_numbers(view)
        layout = layout_of(view.spec)
        rows = Rows(ids, view.as_of_us, built, _columns(view), _texts(view), _nulls(view))
        for client_id, packed in zip(ids.tolist(), encode_rows(layout, rows), strict=True):
            client.hset(client_key(PROJECT, client_id), layout.field, packed)
    return views


@dataclass
class Registry:
    """A real MLflow on SQLite in a folder."""

    folder: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def register(self, bundle: Path, *, champion: bool = True) -> str:
        """Log `bundle` and register it as the next version; returns its number."""
        from mlflow import MlflowClient

        client = MlflowClient(self.uri, registry_uri=self.uri)
        experiment = client.get_experiment_by_name("credit")
        experiment_id = (
            experiment.experiment_id
            if experiment
            else client.create_experiment("credit", artifact_location=(self.folder / "artifacts").as_uri())
        )
        run = client.create_run(experiment_id)
        client.log_artifacts(run.info.run_id, str(bundle), "model/bundle")
        if not client.search_registered_models(f"name='{MODEL}'"):
            client.create_registered_model(MODEL)
        version = client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id)
        if champion:
            self.promote(version.version)
        return str(version.version)

    def promote(self, version: str, alias: str = "champion") -> None:
        """Move an alias."""
        from mlflow import MlflowClient

        MlflowClient(self.uri, registry_uri=self.uri).set_registered_model_alias(MODEL, alias, version)


@dataclass
class World:
    """Bundles, keys and registry below one folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.registry = Registry(self.folder)
        self.contract = small_contract()

    @property
    def public_key(self) -> Path:
        return self.folder / "keys" / PUBLIC_KEY_FILE

    def bundle(self, seed: int = 0) -> Path:
        """A signed bundle; other seeds are other models."""
        target = self.folder / f"bundle-{seed}"
        return (
            target if target.exists() else make_bundle(target, self.folder / "keys", contract=self.contract, seed=seed)
        )

    def environment(self, redis_url: str) -> dict[str, str]:
        """Settings of the service as environment variables."""
        return {
            "SERVING_AUTHENTICATION": "off",
            "SERVING_REDIS_URL": redis_url,
            "SERVING_FEATURE_PROJECT": PROJECT,
            "SERVING_MLFLOW_TRACKING_URI": self.registry.uri,
            "SERVING_BUNDLE_CACHE": str(self.folder / "cache"),
            "SERVING_PUBLIC_KEY_PATH": str(self.public_key),
            "SERVING_MODEL_WATCH_SECONDS": "0.5",
        }


def _whole_numbers(view: ViewBatch) -> None:
    for at, name in enumerate(view.spec.numeric):
        if _type(view, name) == "int32":
            view.numeric[:, at] = np.round(view.numeric[:, at])


def _columns(view: ViewBatch) -> dict[str, np.ndarray]:
    filled = np.nan_to_num(view.numeric)
    return {name: filled[:, at].astype(_type(view, name)) for at, name in enumerate(view.spec.numeric)}


def _nulls(view: ViewBatch) -> dict[str, np.ndarray]:
    return {name: np.isnan(view.numeric[:, at]) for at, name in enumerate(view.spec.numeric)}


def _texts(view: ViewBatch) -> dict[str, list[bytes | None]]:
    columns = zip(*view.strings, strict=True)
    return {
        name: [None if value is None else value.encode() for value in column]
        for name, column in zip(view.spec.strings, columns, strict=False)
    }


def _type(view: ViewBatch, name: str) -> str:
    return next(column.type for column in view.spec.columns if column.name == name)
