"""Real Optuna studies on SQLite, real fits on small data."""

import dataclasses
import json

import numpy as np
import pytest
from training_data import synthetic_dataset
from tuning_data import SETTINGS, outline, search, small

from credit.errors import SettingsError, TrainingError
from credit.metrics import log_loss
from credit.progress import step
from training.fit import fit, stopped_early
from training.prepare import prepare
from training.tune.space import starting_point


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tuning")


@pytest.fixture(scope="module")
def tuned(folder):
    return search(folder, 24)


def test_the_settings_as_they_were_are_the_first_trial(tuned):
    first, *others = tuned.report.trials
    assert (first.number, first.state, first.baseline) == (0, "complete", True)
    assert first.settings == starting_point(SETTINGS)
    assert not any(trial.baseline for trial in others)
    assert tuned.report.baseline_log_loss == first.log_loss


def test_the_best_trial_is_taken_and_is_never_worse(tuned):
    report = tuned.report
    complete = [trial for trial in report.trials if trial.state == "complete"]
    assert report.best_log_loss == min(trial.log_loss for trial in complete) <= report.baseline_log_loss
    assert report.trials[report.best].log_loss == report.best_log_loss
    assert starting_point(tuned.settings) == report.chosen
    untouched = set(SETTINGS.model_dump()) - set(report.chosen)
    assert tuned.settings.model_dump(include=untouched) == SETTINGS.model_dump(include=untouched)


def test_training_with_the_chosen_settings_gives_the_value_that_was_found(tuned):
    with step("Fit") as progress:
        stopped = stopped_early(small(), tuned.settings, progress)
        model = fit(small(), tuned.settings, progress)
    matrix, labels = small().part("validation")
    found = log_loss(labels, stopped.predict(matrix, num_iteration=stopped.best_iteration))
    assert found == pytest.approx(tuned.report.best_log_loss, rel=1e-9)
    assert model.num_trees() == stopped.best_iteration == tuned.report.trials[tuned.report.best].trees


def test_poor_trials_are_stopped_early_and_count(tuned):
    states = [trial.state for trial in tuned.report.trials]
    assert "pruned" in states
    assert states.count("pruned") + states.count("complete") == tuned.report.finished == 24


def test_the_same_seed_gives_the_same_trials_and_another_one_others(tuned, tmp_path):
    again = search(tmp_path / "again", 8)
    assert outline(again) == outline(tuned)[:8]
    other = search(tmp_path / "other", 2, settings=SETTINGS.model_copy(update={"seed": 4}))
    assert other.report.trials[1].settings != tuned.report.trials[1].settings


def test_a_study_goes_on_as_if_it_had_never_stopped(tuned, tmp_path):
    for trials in (1, 3, 7, 12):
        assert search(tmp_path, trials).report.finished == trials
    assert outline(search(tmp_path, 12)) == outline(tuned)[:12]


def test_a_finished_study_is_only_read(tuned, folder):
    again = search(folder, 5)
    assert again.report.model_copy(update={"wanted": 24}) == tuned.report


def test_other_data_or_other_fixed_settings_are_another_study(tuned, folder):
    other = search(folder, 1, prepared=prepare(synthetic_dataset(900), SETTINGS))
    fewer = search(folder, 1, settings=SETTINGS.model_copy(update={"trees": 5}))
    threads = search(folder, 1, settings=SETTINGS.model_copy(update={"threads": 2}))
    assert len({tuned.report.study, other.report.study, fewer.report.study}) == 3
    assert other.report.finished == fewer.report.finished == 1
    assert threads.report.study == tuned.report.study  # threads change no tree
    named = search(folder, 1, study_name="night")
    assert named.report.study == tuned.report.study.replace("credit-scoring", "night")


def test_calibration_and_test_part_are_not_looked_at(tuned, folder):
    prepared = small()
    matrix, labels = prepared.matrix.copy(), prepared.dataset.labels.copy()
    for part in (prepared.split.calibration, prepared.split.test, prepared.split.left_out):
        matrix[part], labels[part] = np.nan, 1 - labels[part]
    spoiled = dataclasses.replace(prepared, matrix=matrix, dataset=dataclasses.replace(prepared.dataset, labels=labels))
    found = search(folder / "spoiled", 3, prepared=spoiled)
    assert found.report.study == tuned.report.study
    assert outline(found) == outline(tuned)[:3]


def test_a_spent_budget_starts_no_further_trial(tmp_path):
    assert search(tmp_path, 50, budget_seconds=1e-9).report.finished == 1
    assert search(tmp_path, 50, budget_seconds=1e-9).report.finished == 2


def test_report_and_picture_are_written(tuned, tmp_path):
    tuned.write(tmp_path)
    report = json.loads((tmp_path / "tuning.json").read_text("utf-8"))
    assert report["best_log_loss"] == tuned.report.best_log_loss
    assert len(report["trials"]) == len(tuned.report.trials)
    assert sum(report["importance"].values()) == pytest.approx(1)
    assert (tmp_path / "tuning.png").read_bytes().startswith(b"\x89PNG")
    assert tuned.report.metrics()["tuning_trials"] == 24
    assert f"{tuned.report.best_log_loss:.5f}" in tuned.report.summary()


def test_when_no_trial_can_be_fitted_the_cause_is_told(tmp_path):
    impossible = SETTINGS.model_copy(update={"category_smoothing": -1.0})  # LightGBM refuses it
    with pytest.raises(TrainingError, match=r"no trial .*cat_smooth"):
        search(tmp_path, 1, settings=impossible)
    found = search(tmp_path, 2, settings=impossible).report
    assert [trial.state for trial in found.trials] == ["fail", "fail", "complete"]
    assert (found.finished, found.baseline_log_loss) == (1, None)


def test_data_that_cannot_be_binned_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match=r"cannot bin .*; look at TRAINING_BINS"):
        search(tmp_path, 1, settings=SETTINGS.model_copy(update={"bins": 1}))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////proc/no/such/study.db",
        "nonsense:secret",
        "oracle+nothing://me:secret@host/db",
        "postgresql+psycopg://me:secret@127.0.0.1:1/db",
    ],
)
def test_a_study_that_cannot_be_opened_is_an_error_without_the_password(tmp_path, url):
    with pytest.raises(SettingsError, match="cannot open the study") as caught:
        search(tmp_path, 1, study_url=url)
    assert "secret" not in str(caught.value)
    assert "SQLAlchemy" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"trials": 0}, "1 or more"),
        ({"trials": 1, "budget_seconds": 0.0}, "--budget"),
        ({"trials": 1, "ray_address": "local"}, "--engine ray"),
        ({"trials": 1, "engine": "ray", "ray_address": "ray://host:10001"}, "without ray://"),
    ],
)
def test_contradictions_are_refused(tmp_path, wrong, says):
    with pytest.raises(SettingsError, match=says):
        search(tmp_path, **wrong)
