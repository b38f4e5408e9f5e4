"""The pipeline against a real MLflow on SQLite, with a small in-memory dataset."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest
from training_data import random_demographics, synthetic_dataset

from credit.bundle.keys import load_private_key, load_public_key, make_key_pair
from credit.cli import run
from credit.errors import RegistryError, TrainingError
from credit.platform import Home
from training.pipeline import TrainingData, make_bundle, train_and_register
from training.plots import PICTURES
from training.prepare import prepare
from training.registry import Registry
from training.settings import TrainingSettings
from training.unseen import unseen_of


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def settings(home):
    return TrainingSettings(
        mlflow_tracking_uri=home.mlflow_uri, trees=60, threads=1, explain_rows=100, reference_rows=200
    )


@pytest.fixture(scope="module")
def private_key(home):
    return load_private_key(make_key_pair(home.keys).private)


@pytest.fixture(scope="module")
def registry(settings):
    return Registry(settings.mlflow_tracking_uri, settings.model_name)


@pytest.fixture(scope="module")
def dataset():
    return synthetic_dataset(1_500)


@pytest.fixture(scope="module")
def trained(dataset, settings, private_key, registry):
    data = TrainingData(dataset, random_demographics, oracle=dict.fromkeys(dataset.client_ids, 0.5))
    challenger = train_and_register(data, settings, private_key, registry)
    registry.set_alias("champion", challenger.trained.version.version)
    return challenger.trained


def test_the_champion_is_the_signed_bundle_just_trained(trained, registry, private_key, settings):
    champion = registry.version("champion")
    bundle = registry.load(champion.version, private_key.public_key())
    assert champion.version == trained.version.version
    assert bundle.bundle_id == trained.bundle_id == champion.tags["bundle_id"]
    assert champion.tags["feature_service"] == "credit_scoring_v1"
    assert {"data_window", "git_revision"} <= champion.tags.keys()
    assert bundle.policy.threshold == pytest.approx(1 / 11)
    assert bundle.manifest.provenance.rows == trained.rows
    assert bundle.trees <= settings.trees


def test_the_model_learned_something_and_says_how_much(trained):
    metrics = trained.metrics
    assert metrics["auc"] > 0.6
    assert metrics["cost"] < metrics["cost_approve_all"]
    assert metrics["oracle_auc"] == 0.5
    assert {"baseline_auc", "ece", "brier", "ks", "average_precision", "train_auc"} <= metrics.keys()


def test_importance_is_complete_and_finds_the_drivers(trained, registry, private_key):
    bundle = registry.load(trained.version.version, private_key.public_key())
    assert set(bundle.importance) == set(bundle.contract.names)
    strongest = list(bundle.importance)[:6]
    assert {"ext_source_3", "bureau_debt_sum"} & set(strongest)
    assert list(bundle.importance.values()) == sorted(bundle.importance.values(), reverse=True)


def test_the_reference_sample_scores_as_recorded(trained, registry, private_key):
    bundle = registry.load(trained.version.version, private_key.public_key())
    reference = bundle.reference()
    assert reference.num_rows == 200
    columns = {name: reference.column(name).to_pylist() for name in bundle.contract.names}
    numeric = {name: np.array(values, dtype=float) for name, values in columns.items() if name != "name_education_type"}
    matrix = bundle.matrix_from_columns(columns | numeric)
    np.testing.assert_array_equal(bundle.predict(matrix).margin, reference.column("margin").to_numpy())


def test_mlflow_shows_run_model_signature_and_plots(trained, settings):
    from mlflow import MlflowClient, artifacts
    from mlflow.models import Model

    client = MlflowClient(settings.mlflow_tracking_uri, registry_uri=settings.mlflow_tracking_uri)
    stored = client.get_run(trained.version.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.metrics["auc"] == trained.metrics["auc"]
    assert stored.data.params["trees"] == "60"
    assert {item.path for item in client.list_artifacts(stored.info.run_id, "plots")} == {
        f"plots/{name}.png" for name in PICTURES
    }
    assert {"model_card.md", "model_card.html", "fairness.json"} <= {
        item.path for item in client.list_artifacts(stored.info.run_id)
    }
    assert {"auc_low", "cv_auc_std", "fairness_gender_adverse_impact_ratio"} <= stored.data.metrics.keys()
    uri = client.get_model_version_download_uri(settings.model_name, trained.version.version)
    model = Model.load(artifacts.download_artifacts(f"{uri}/MLmodel"))
    assert {"ext_source_1", "requested_amt_credit"} <= set(model.signature.inputs.input_names())
    assert set(model.flavors) == {"credit_bundle"}


def test_same_data_and_seed_give_the_same_model(dataset, settings, private_key, tmp_path):
    prepared = prepare(dataset, settings)
    unseen = unseen_of(dataset, prepared.split.test, random_demographics)
    first, _ = make_bundle(tmp_path / "first", prepared, settings, private_key, unseen=unseen)
    second, _ = make_bundle(tmp_path / "second", prepared, settings, private_key, unseen=unseen)
    for name in ("model.txt", "calibration.json", "decision.json", "contract.json", "reference.parquet"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert first.importance == second.importance


def test_a_leaked_label_stops_training_before_anything_is_registered(trained, dataset, settings, private_key, registry):
    at = dataset.features.column_names.index("bureau_debt_sum")
    leaked = dataset.features.set_column(at, "bureau_debt_sum", pa.array(dataset.labels, pa.float32()))
    data = TrainingData(dataclasses.replace(dataset, features=leaked), random_demographics)
    with pytest.raises(TrainingError, match="bureau_debt_sum"):
        train_and_register(data, settings, private_key, registry)
    assert registry.version("champion").version == trained.version.version


def test_a_failed_upload_leaves_the_champion_and_no_version(
    trained, dataset, settings, private_key, registry, monkeypatch
):
    before = [version.version for version in registry.versions()]

    def unreachable(*_, **__):
        raise OSError("the network went away")

    monkeypatch.setattr(registry.connection.client, "log_model_artifacts", unreachable)
    with pytest.raises(RegistryError, match="network"):
        train_and_register(TrainingData(dataset, random_demographics), settings, private_key, registry)
    assert [version.version for version in registry.versions()] == before
    assert registry.version("champion").version == trained.version.version


def test_models_commands_answer_in_json(trained, home, monkeypatch, capsys):
    monkeypatch.setenv("CREDIT_HOME", str(home.root))

    def answer(*arguments):
        assert run(["models", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    (listed,) = [version for version in answer("list") if "champion" in version["aliases"]]
    assert listed["version"] == trained.version.version
    assert answer("show")["metrics"]["auc"] == trained.metrics["auc"]
    assert answer("verify", trained.version.version)["bundle_id"] == trained.bundle_id


def test_verify_fails_with_another_key(trained, home, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CREDIT_HOME", str(home.root))
    monkeypatch.setenv("TRAINING_PUBLIC_KEY", str(make_key_pair(tmp_path).public))
    assert load_public_key(make_key_pair(tmp_path).public)
    assert run(["models", "verify"]) == 1
    assert "signature" in capsys.readouterr().err
