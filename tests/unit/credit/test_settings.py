"""Names and values of settings that are wrong: told by every class that reads the environment."""

import pytest

from credit.cli import run
from credit.errors import SettingsError
from feature_repo.settings import FeatureSettings
from monitoring.settings import MonitoringSettings
from serving.settings import ServingSettings
from training.gates import GateSettings
from training.settings import TrainingSettings

CLASSES = [
    (FeatureSettings, "FEATURES_DUCKDB_THREADS"),
    (GateSettings, "GATES_LATENCY_MS"),
    (MonitoringSettings, "MONITORING_ARCHIVE_BATCH_RECORDS"),
    (ServingSettings, "SERVING_PORT"),
    (TrainingSettings, "TRAINING_TREES"),
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("SERVING_AUTHENTICATION", "off")


@pytest.mark.parametrize(("cls", "name"), CLASSES)
def test_a_name_with_a_typing_error_is_refused_and_not_ignored(cls, name, monkeypatch):
    monkeypatch.setenv(f"{name}X", "1")
    with pytest.raises(SettingsError, match=f"unknown settings: {name}X;"):
        cls()


@pytest.mark.parametrize(("cls", "name"), CLASSES)
def test_a_malformed_value_is_named_and_not_shown(cls, name, monkeypatch):
    monkeypatch.setenv(name, "hunter2")
    with pytest.raises(SettingsError, match=f"{name}: Input should be a valid") as refused:
        cls()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("command", [["train"], ["models", "list"], ["features", "freshness"]])
def test_a_command_says_so_in_one_line(command, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    monkeypatch.setenv("TRAINING_WINDOW_FROM", "soon")
    monkeypatch.setenv("FEATURES_DUCKDB_THREADS", "many")
    assert run(command) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert "TRAINING_WINDOW_FROM: " in line or "FEATURES_DUCKDB_THREADS: " in line
