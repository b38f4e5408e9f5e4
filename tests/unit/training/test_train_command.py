"""What the options of `creditctl train` ask of tuning."""

import pytest

from credit.cli import run
from credit.platform import Home
from training.cli import train
from training.tune.request import TuneRequest


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The request that a command line becomes, caught where training would begin."""
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))

    def asked(*options):
        found = []

        def stop(home, settings, sample, request, promotion):
            found.append(request)
            raise KeyboardInterrupt

        monkeypatch.setattr("training.run.run_training", stop)
        run(["train", *options])
        return found[0]

    return asked


def test_without_tune_nothing_is_tuned(asked, monkeypatch):
    monkeypatch.setenv("TUNING_STUDY", "sqlite:////there")
    assert asked("--trees", "5") is None


def test_the_options_become_a_request(asked, tmp_path):
    options = ["--tune", "9", "--study", "sqlite:////s.db", "--study-name", "night", "--budget", "60"]
    assert asked(*options, "--engine", "ray", "--ray-address", "local") == TuneRequest(
        trials=9,
        folder=Home(tmp_path).tuning,
        study_url="sqlite:////s.db",
        study_name="night",
        budget_seconds=60.0,
        engine="ray",
        ray_address="local",
    )


def test_the_address_of_the_study_may_come_from_the_environment_and_is_not_shown(asked, monkeypatch):
    monkeypatch.setenv("TUNING_STUDY", "postgresql+psycopg://me:secret@host/db")
    request = asked("--tune", "1")
    assert request.study_url == "postgresql+psycopg://me:secret@host/db"
    assert "secret" not in repr(request)
    assert asked("--tune", "1", "--study", "sqlite:////mine").study_url == "sqlite:////mine"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--budget", "5"], "give --tune TRIALS too"),
        (["--engine", "ray"], "give --tune TRIALS too"),
        (["--study-name", "x"], "give --tune TRIALS too"),
        (["--tune", "0"], "1 or more"),
        (["--tune", "3", "--budget", "0"], "--budget"),
        (["--tune", "3", "--ray-address", "local"], "--engine ray"),
    ],
)
def test_contradictory_options_are_refused_before_any_work(options, says, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    assert run(["train", *options]) == 1
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_loads_no_optuna_and_no_lightgbm():
    assert not {"optuna", "lightgbm"} & set(vars(train))
