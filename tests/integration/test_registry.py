"""Publishing to a real MLflow on SQLite: whole or not at all, and no alias but `challenger` moves."""

from pathlib import Path

import pytest
from gate_models import GateModels, extras
from mlflow import MlflowClient, artifacts

from credit.errors import BundleError, RegistryError
from training.registry import CHALLENGER, CHAMPION, Registry


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return GateModels(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def registry(uri):
    return Registry(uri, "credit-scoring")


@pytest.fixture(scope="module")
def client(uri, registry):
    return MlflowClient(uri, registry_uri=uri)


@pytest.fixture(scope="module")
def first(models, registry):
    return publish(registry, models)


def publish(registry, models, name="good"):
    bundle = models.model(name)
    return registry.publish(models.path(name), bundle, extras(models.folder / "plots"), models.public_key)


def last_run(client):
    return client.search_runs([client.get_experiment_by_name("credit-scoring").experiment_id], max_results=1)[0]


def test_a_new_version_is_challenger_and_nothing_else(first, registry, models):
    assert first.aliases == (CHALLENGER,)
    assert registry.champion() is None
    assert registry.holder(CHALLENGER) == first
    assert registry.load(first.version, models.public_key).bundle_id == first.tags["bundle_id"]
    assert {"feature_service", "data_window", "git_revision", "known_until", "dataset_sha256"} < first.tags.keys()


def test_a_version_is_found_by_its_run(first, registry):
    assert registry.version_of_run(first.run_id) == first
    assert registry.version_of_run("nobody") is None
    assert registry.find(first.run_id) == registry.find(first.version) == registry.find(CHALLENGER) == first
    with pytest.raises(RegistryError, match="registered no version"):
        registry.find("0" * 32)


def test_run_and_version_carry_the_files(first, registry, client, uri):
    run = client.get_run(first.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["bundle_id"] == first.tags["bundle_id"]
    assert {item.path for item in client.list_artifacts(first.run_id)} >= {
        "model_card.md",
        "model_card.html",
        "plots",
        "reports",
    }
    location = client.get_model_version_download_uri("credit-scoring", first.version)
    for name, content in (("model_card.md", "# Card"), ("model_card.html", "<h1>Card</h1>")):
        assert Path(artifacts.download_artifacts(f"{location}/{name}", tracking_uri=uri)).read_text() == content


def test_aliases_move_and_go(first, registry):
    registry.set_alias(CHAMPION, first.version)
    assert registry.champion().version == first.version
    registry.remove_alias(CHAMPION)
    assert registry.champion() is None
    assert registry.holder("nobody") is None


def failing(registry, monkeypatch, method):
    def refuse(*arguments, **options):
        raise OSError("the network went away")

    monkeypatch.setattr(registry.connection.client, method, refuse)


STEPS = [
    "log_batch",
    "log_artifacts",
    "create_logged_model",
    "log_model_artifacts",
    "finalize_logged_model",
    "create_model_version",
    "set_registered_model_alias",
]


@pytest.mark.parametrize("method", STEPS)
def test_a_failure_at_any_step_leaves_no_version_and_no_alias(first, models, uri, client, monkeypatch, method):
    registry = Registry(uri, "credit-scoring")
    before = registry.versions()
    failing(registry, monkeypatch, method)
    with pytest.raises(RegistryError, match="TRAINING_MLFLOW_TRACKING_URI"):
        publish(registry, models)
    assert registry.versions() == before
    assert last_run(client).info.status == "FAILED"


def test_an_altered_upload_is_found_before_a_version_is_made(first, models, uri, client, monkeypatch):
    registry = Registry(uri, "credit-scoring")
    before, upload = registry.versions(), registry.connection.client.log_model_artifacts

    def altered(model_id, folder, *arguments):
        path = Path(folder, "bundle", "model.txt")
        path.write_text(path.read_text() + "\n")
        return upload(model_id, folder, *arguments)

    monkeypatch.setattr(registry.connection.client, "log_model_artifacts", altered)
    with pytest.raises(BundleError, match=r"model\.txt"):
        publish(registry, models)
    assert registry.versions() == before
    assert last_run(client).info.status == "FAILED"


def test_another_bundle_than_was_trained_is_found(first, models, uri, monkeypatch):
    registry = Registry(uri, "credit-scoring")
    models.model("other", trees=5)
    with pytest.raises(RegistryError, match="not the one just trained"):
        registry.publish(models.path("other"), models.model(), extras(models.folder / "plots"), models.public_key)


def test_errors_say_what_to_do(first, registry, tmp_path):
    with pytest.raises(RegistryError, match="creditctl models list"):
        registry.version("nobody")
    with pytest.raises(RegistryError, match="creditctl models list"):
        registry.version("99")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RegistryError, match="TRAINING_MLFLOW_TRACKING_URI"):
        Registry(f"sqlite:///{blocked}/mlflow.db", "credit-scoring")
