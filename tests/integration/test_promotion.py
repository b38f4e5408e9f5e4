"""Promotion and its way back on a real MLflow (SQLite): gates refuse, people answer, everything is on record."""

import json
import uuid
from pathlib import Path

import pytest
from gate_models import SMALL, GateModels, extras
from mlflow import artifacts

from credit.cli import run
from credit.errors import BundleError, GateRefusedError, RegistryError, SettingsError
from training.gates import GateReport
from training.gates.evidence import Evidence
from training.governance import history, promote, rollback
from training.governance.records import Journal
from training.registry import CHALLENGER, CHAMPION, Registry

#: Version numbers and models: a good one, one that learned nothing, one a little smaller than good.
VERSIONS = {"1": "good", "2": "bad", "3": "small"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    found = GateModels(tmp_path_factory.mktemp("models"))
    found.model()
    found.model("small", trees=40)
    found.model("bad", shuffled=True)
    return found


@pytest.fixture(scope="module")
def shared(models, tmp_path_factory):
    """One MLflow with the three models published: its tables and uploads take longer than any test."""
    folder = tmp_path_factory.mktemp("mlflow")
    registry = Registry(f"sqlite:///{folder}/mlflow.db", "credit-scoring")
    for name in VERSIONS.values():
        registry.publish(models.path(name), models.model(name), extras(folder / "plots"), models.public_key)
    return registry


@pytest.fixture
def world(models, shared, tmp_path):
    made = World(models, shared, tmp_path)
    yield made
    made.restore()


class World:
    """A registered model of its own over the shared uploads, without any alias or record."""

    def __init__(self, models, shared, folder):
        self.models = models
        self.folder = folder
        self.uri = shared.connection.uri
        self.client = shared.connection.client
        self.name = f"credit-scoring-{uuid.uuid4().hex[:8]}"
        self.names = dict(VERSIONS)
        self.registry = Registry(self.uri, self.name)
        self.altered = {}
        self.client.create_registered_model(self.name)
        for version in self.names:
            found = self.client.get_model_version("credit-scoring", version)
            self.client.create_model_version(self.name, found.source, found.run_id, tags=found.tags)

    def promote(self, version, *, why="", who="ada", force=False, settings=SMALL, registry=None):
        bundle = self.models.model(self.names[version])
        return promote(
            registry or self.registry,
            version,
            bundle,
            self.models.unseen,
            bundle.contract,
            settings,
            public_key=self.models.public_key,
            who=who,
            why=why,
            force=force,
        )

    def rollback(self, why="trouble"):
        return rollback(self.registry, public_key=self.models.public_key, who="grace", why=why)

    def alter(self, version):
        """Change a stored bundle by one byte."""
        location = self.client.get_model_version_download_uri(self.name, version)
        stored = Path(artifacts.download_artifacts(f"{location}/bundle/model.txt", tracking_uri=self.uri))
        self.altered[stored] = stored.read_text()
        stored.write_text(self.altered[stored] + "\n")

    def restore(self):
        for path, text in self.altered.items():
            path.write_text(text)

    @property
    def champion(self):
        found = self.registry.champion()
        return found.version if found else None

    def outcomes(self):
        return [(entry.record.action, entry.record.to_version, entry.outcome) for entry in history(self.registry)]


def test_a_promoted_version_decides_and_is_challenger_no_more(world):
    world.registry.set_alias(CHALLENGER, "1")
    done = world.promote("1", why="first model")
    assert (done.version, done.replaced, done.forced) == ("1", None, False)
    assert world.registry.version("1").aliases == (CHAMPION,)
    world.registry.set_alias(CHALLENGER, "2")
    assert world.promote("3").replaced == "1"
    assert world.champion == "3"
    assert world.registry.holder(CHALLENGER).version == "2"


def test_the_record_tells_who_why_and_every_gate(world):
    done = world.promote("1", why="first model")
    record = world.client.get_run(done.record)
    assert world.client.get_experiment(record.info.experiment_id).name == f"{world.name}-governance"
    assert record.info.status == "FINISHED"
    wanted = {"action": "promoted", "to_version": "1", "who": "ada", "why": "first model", "forced": "false"}
    assert wanted.items() <= record.data.tags.items()
    assert record.data.metrics["gate_auc"] == pytest.approx(done.report.gates[0].figure)
    assert {f"gate_{gate.name}_passed" for gate in done.report.gates} <= record.data.metrics.keys()
    path = artifacts.download_artifacts(run_id=done.record, artifact_path="gate_report.json", tracking_uri=world.uri)
    assert GateReport.model_validate_json(Path(path).read_text()) == done.report
    own = world.client.get_run(world.registry.version("1").run_id)
    assert own.data.tags["gates"] == "passed"
    assert own.data.metrics["gate_auc_passed"] == 1


def test_a_refused_version_stays_challenger_and_the_attempt_is_on_record(world):
    world.promote("1")
    world.registry.set_alias(CHALLENGER, "2")
    with pytest.raises(GateRefusedError) as refused:
        world.promote("2", why="hope")
    assert "version 2 was not promoted, " in str(refused.value)
    assert "- auc: AUC" in str(refused.value)
    assert "- cost: cost per client" in str(refused.value)
    assert world.champion == "1"
    assert world.registry.holder(CHALLENGER).version == "2"
    assert world.outcomes() == [("promoted", "1", "done"), ("refused", "2", "refused")]
    last = history(world.registry)[-1].record
    assert (last.who, last.why, last.verdict) == ("ada", "hope", "refused")
    assert last.failed_gates[:2] == ("auc", "cost")
    failed = world.client.get_run(world.registry.version("2").run_id).data.tags["gates_failed"]
    assert failed == ", ".join(last.failed_gates)


def test_force_needs_a_reason_and_records_it(world):
    world.promote("1")
    with pytest.raises(SettingsError, match="--why"):
        world.promote("2", force=True, why=" ")
    assert world.champion == "1"
    assert world.promote("2", force=True, why="a test of the way back", who="grace").forced
    assert world.champion == "2"
    last = history(world.registry)[-1].record
    assert (last.action, last.who, last.why) == ("forced", "grace", "a test of the way back")
    assert last.failed_gates[:2] == ("auc", "cost")
    assert world.client.get_run(last.run_id).data.tags["forced"] == "true"


def test_force_that_was_not_needed_is_an_ordinary_promotion(world):
    assert not world.promote("1", force=True, why="to be sure").forced
    assert world.outcomes() == [("promoted", "1", "done")]


def test_rollback_goes_back_step_by_step_and_on_from_there(world):
    world.promote("1")
    world.promote("3")
    world.promote("2", force=True, why="why not")
    assert world.rollback().version == "3"
    assert world.rollback().version == "1"
    with pytest.raises(RegistryError, match="no version was champion before version 1"):
        world.rollback()
    assert world.champion == "1"
    world.promote("3", why="again")
    assert world.rollback().version == "1"
    actions = [action for action, _, _ in world.outcomes()]
    assert actions == ["promoted", "promoted", "forced", "rolled_back", "rolled_back", "promoted", "rolled_back"]
    assert history(world.registry)[-1].record.who == "grace"


def test_rollback_knows_a_champion_that_was_set_by_hand(world):
    world.promote("1")
    world.registry.set_alias(CHAMPION, "2")
    assert world.rollback().version == "1"
    world.registry.set_alias(CHAMPION, "3")
    with pytest.raises(RegistryError, match="3 is the champion already"):
        world.promote("3")
    world.promote("1", force=True, why="back to the first")
    assert world.rollback().version == "3"


def test_rollback_without_a_champion_says_so(world):
    with pytest.raises(RegistryError, match="no champion"):
        world.rollback()


def test_rollback_refuses_an_altered_bundle(world):
    world.promote("1")
    world.promote("3")
    world.alter("1")
    with pytest.raises(BundleError, match="version 1, champion before, cannot be verified"):
        world.rollback()
    assert world.champion == "3"
    assert world.outcomes() == [("promoted", "1", "done"), ("promoted", "3", "done")]


def test_a_champion_that_cannot_be_verified_is_no_yardstick(world):
    world.promote("1")
    world.alter("1")
    with pytest.raises(BundleError, match="creditctl models rollback"):
        world.promote("3")
    assert world.champion == "1"


def test_a_champion_that_cannot_be_loaded_gives_way_to_force_on_record(world):
    world.promote("1")
    world.alter("1")
    done = world.promote("3", force=True, why="the champion is broken")
    assert (world.champion, done.forced, done.replaced) == ("3", True, "1")
    assert [gate.name for gate in done.report.failed] == ["champion"]
    assert world.outcomes()[-1] == ("forced", "3", "done")


def test_another_bundle_than_the_version_holds_is_refused(world):
    world.names["1"] = "small"
    with pytest.raises(RegistryError, match="another bundle"):
        world.promote("1")
    assert world.outcomes() == []


def test_a_champion_changed_meanwhile_stays(world, monkeypatch):
    """Somebody else is faster between the record and the move."""
    world.promote("1")
    slow = Registry(world.uri, world.name)
    write = Journal.open

    def open_slowly(journal, attempt, report=None):
        run_id = write(journal, attempt, report)
        monkeypatch.undo()
        world.promote("2", force=True, why="faster")
        return run_id

    monkeypatch.setattr(Journal, "open", open_slowly)
    with pytest.raises(RegistryError, match="changed meanwhile, from version 1 to version 2"):
        world.promote("3", registry=slow)
    assert world.champion == "2"
    assert world.outcomes() == [("promoted", "1", "done"), ("promoted", "3", "failed"), ("forced", "2", "done")]
    assert world.rollback().version == "1"


def test_an_attempt_cut_short_before_the_move_is_interrupted(world, monkeypatch):
    world.promote("1")
    killed_at(monkeypatch, Registry, "set_alias")
    monkeypatch.setattr(Journal, "fail", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        world.promote("3")
    monkeypatch.undo()
    assert world.champion == "1"
    assert world.outcomes() == [("promoted", "1", "done"), ("promoted", "3", "interrupted")]
    world.promote("3")
    assert world.outcomes()[1:] == [("promoted", "3", "interrupted"), ("promoted", "3", "done")]
    assert world.rollback().version == "1"


def test_an_attempt_cut_short_after_the_move_is_done(world, monkeypatch):
    world.promote("1")
    killed_at(monkeypatch, Journal, "close")
    with pytest.raises(KeyboardInterrupt):
        world.promote("3")
    monkeypatch.undo()
    assert world.outcomes() == [("promoted", "1", "done"), ("promoted", "3", "done")]
    assert world.rollback().version == "1"
    assert world.outcomes()[1] == ("promoted", "3", "done")


def killed_at(monkeypatch, owner, method):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, method, killed)


@pytest.fixture
def cli(world, monkeypatch, capsys):
    """Runs `creditctl models` on this world; unseen clients come from memory instead of a platform folder."""
    monkeypatch.setenv("CREDIT_HOME", str(world.folder))
    monkeypatch.setenv("TRAINING_MLFLOW_TRACKING_URI", world.uri)
    monkeypatch.setenv("TRAINING_MODEL_NAME", world.name)
    monkeypatch.setenv("TRAINING_PUBLIC_KEY", str(world.models.keys.public))
    for name, value in SMALL.model_dump().items():
        monkeypatch.setenv(f"GATES_{name.upper()}", str(value))
    loaded = []

    def evidence(home, challenger, champion):
        loaded.append((challenger.bundle_id, champion.bundle_id if champion else None))
        return Evidence(world.models.unseen, challenger.contract)

    monkeypatch.setattr("training.gates.evidence.load_evidence", evidence)

    def call(*arguments):
        code = run(["models", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    call.loaded = loaded
    return call


def test_commands_promote_refuse_force_and_go_back(world, cli):
    code, out, _ = cli("promote", "1", "--why", "first", "--json")
    assert code == 0
    assert json.loads(out)["report"]["champion"] is None
    code, out, err = cli("promote", "2")
    assert code == 2
    assert "- auc: " in err
    assert "--force --why" in err
    assert world.champion == "1"
    assert cli("promote", "2", "--force")[0] == 1
    code, out, _ = cli("promote", "2", "--force", "--who", "grace", "--why", "we know [/1]")
    assert code == 0
    assert "version 2 is champion by force, in place of version 1" in out
    code, out, _ = cli("rollback", "--why", "back")
    assert code == 0
    assert "version 1 is champion again" in out
    assert cli.loaded[0][1] is None
    code, _, err = cli("promote", "1")
    assert (code, "champion already" in err) == (1, True)
    entries = json.loads(cli("history", "--json")[1])
    assert [entry["action"] for entry in entries] == ["rolled_back", "forced", "refused", "promoted"]
    assert (entries[1]["who"], entries[1]["why"]) == ("grace", "we know [/1]")
    assert entries[3]["who"]
    assert "forced" in cli("history")[1]


def test_gates_judge_and_change_nothing(world, cli):
    code, out, _ = cli("gates", "1", "--json")
    assert code == 0
    assert all(gate["passed"] for gate in json.loads(out)["gates"])
    code, out, err = cli("gates", "2")
    assert code == 2
    assert "FAILED  auc" in out
    assert "would not be promoted" in err
    assert world.champion is None
    assert "nobody has promoted" in cli("history")[1]
    assert world.outcomes() == []


def test_compare_tells_two_versions_apart(cli):
    code, out, _ = cli("compare", "1", "3", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["facts"]["trees"] == {"first": 60, "second": 40, "difference": -20}
    assert found["features_added"] == found["features_removed"] == []
    assert "trees" in cli("compare", "1", "3")[1]


def test_wrong_versions_are_errors_that_say_what_to_do(cli):
    code, _, err = cli("promote", "99")
    assert code == 1
    assert "creditctl models list" in err
    code, _, err = cli("rollback")
    assert code == 1
    assert "no champion" in err
