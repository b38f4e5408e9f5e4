"""A real MLflow server is killed half-way: nothing half-registered, no alias moved, and the records tell."""

import pytest
from gate_models import SMALL, GateModels, extras
from mlflow_server import MlflowServer

from credit.errors import RegistryError
from training.governance import history, promote, rollback
from training.registry import CHALLENGER, CHAMPION, Registry

#: Calls of one publication, in order.
STEPS = ["create_run", "log_batch", "log_artifacts", "create_logged_model", "log_model_artifacts"]
STEPS += ["finalize_logged_model", "create_model_version"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return GateModels(tmp_path_factory.mktemp("models"))


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    started = MlflowServer(tmp_path / "mlflow")
    started.start()
    yield started
    started.kill()


def publish(registry, models, name="good"):
    bundle = models.model(name)
    return registry.publish(models.path(name), bundle, extras(models.folder / "plots"), models.public_key)


def kill_before(server, registry, monkeypatch, method):
    """The server is gone when `method` of the client is called."""
    client = registry.connection.client
    call = getattr(client, method)

    def killed(*arguments, **options):
        server.kill()
        return call(*arguments, **options)

    monkeypatch.setattr(client, method, killed)


def what_remains(server):
    """What the killed server's database holds."""
    registry = Registry(server.database, "credit-scoring")
    client = registry.connection.client
    runs = client.search_runs([client.get_experiment_by_name("credit-scoring").experiment_id])
    return registry, sorted(run.info.status for run in runs)


def promote_version(registry, models, version, name):
    bundle = models.model(name)
    return promote(
        registry,
        version,
        bundle,
        models.unseen,
        bundle.contract,
        SMALL,
        public_key=models.public_key,
        who="ada",
        why="",
    )


def test_a_server_killed_while_registering_leaves_the_champion_and_no_version(server, models, monkeypatch):
    registry = Registry(server.uri, "credit-scoring")
    first = publish(registry, models)
    assert registry.load(first.version, models.public_key).bundle_id == first.tags["bundle_id"]
    promote_version(registry, models, first.version, "good")
    kill_before(server, registry, monkeypatch, "create_model_version")
    with pytest.raises(RegistryError, match="TRAINING_MLFLOW_TRACKING_URI"):
        publish(registry, models)
    remains, statuses = what_remains(server)
    assert [version.version for version in remains.versions()] == [first.version]
    assert remains.champion().version == first.version
    assert remains.holder(CHALLENGER) is None
    assert statuses == ["FINISHED", "RUNNING"]
    assert [entry.outcome for entry in history(remains)] == ["done"]


@pytest.mark.slow
@pytest.mark.parametrize("method", STEPS)
def test_killed_before_any_step_there_is_no_version(server, models, monkeypatch, method):
    registry = Registry(server.uri, "credit-scoring")
    first = publish(registry, models)
    kill_before(server, registry, monkeypatch, method)
    with pytest.raises(RegistryError, match="TRAINING_MLFLOW_TRACKING_URI"):
        publish(registry, models)
    remains, statuses = what_remains(server)
    assert [version.version for version in remains.versions()] == [first.version]
    assert remains.holder(CHALLENGER).version == first.version
    assert "FINISHED" in statuses
    server.start()
    monkeypatch.undo()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    again = publish(Registry(server.uri, "credit-scoring"), models)
    assert again.version == "2"
    assert again.aliases == (CHALLENGER,)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["set_terminated", "set_registered_model_alias"])
def test_killed_after_the_version_was_made_it_is_whole_and_no_alias_moved(server, models, monkeypatch, method):
    registry = Registry(server.uri, "credit-scoring")
    first = publish(registry, models)
    registry.set_alias(CHAMPION, first.version)
    kill_before(server, registry, monkeypatch, method)
    with pytest.raises(RegistryError, match="creditctl models promote 2"):
        publish(registry, models)
    server.start()
    back = Registry(server.uri, "credit-scoring")
    assert back.champion().version == first.version
    assert back.holder(CHALLENGER).version == first.version
    whole = back.version("2")
    assert whole.tags == first.tags
    assert back.load("2", models.public_key).bundle_id == first.tags["bundle_id"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "outcome", "champion"),
    [("set_registered_model_alias", "interrupted", "1"), ("set_terminated", "done", "2")],
)
def test_a_promotion_cut_short_is_told_by_the_records(server, models, monkeypatch, method, outcome, champion):
    registry = Registry(server.uri, "credit-scoring")
    publish(registry, models)
    models.model("small", trees=40)
    publish(registry, models, "small")
    promote_version(registry, models, "1", "good")
    kill_before(server, registry, monkeypatch, method)
    with pytest.raises(RegistryError, match="TRAINING_MLFLOW_TRACKING_URI"):
        promote_version(registry, models, "2", "small")
    remains, _ = what_remains(server)
    assert remains.champion().version == champion
    assert [entry.outcome for entry in history(remains)] == ["done", outcome]
    server.start()
    monkeypatch.undo()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    back = Registry(server.uri, "credit-scoring")
    if outcome == "interrupted":
        promote_version(back, models, "2", "small")
    assert rollback(back, public_key=models.public_key, who="ada", why="").version == "1"
