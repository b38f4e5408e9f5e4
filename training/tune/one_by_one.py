"""Trials in this process, one after the other, each with all threads."""

from collections.abc import Callable

import lightgbm as lgb
import optuna

from credit.errors import TrainingError
from training.parameters import parameters
from training.settings import TrainingSettings
from training.tune.candidate import BinnedData, TuningData, fit_candidate
from training.tune.space import settings_with
from training.tune.study import BASELINE, Study

#: Called after each trial.
Watch = Callable[[], None]


def run_here(
    study: Study, data: TuningData, settings: TrainingSettings, wanted: int, more: Callable[[], bool], watch: Watch
) -> None:
    """Run trials until the study has `wanted` finished ones, as long as `more` says so.

    Raises:
        TrainingError: the data cannot be binned.
    """
    rows = data.labels.size
    try:
        parts = BinnedData(data, parameters(settings, data.names, rows))
    except lgb.basic.LightGBMError as error:
        raise TrainingError(f"LightGBM cannot bin the data: {_text(error)}; look at TRAINING_BINS") from error
    for _ in range(wanted - study.finished()):
        # Another process may work on the same study.
        if study.finished() >= wanted or not more():
            return
        trial = study.ask()
        _run(study, trial, parts, settings_with(settings, trial.params), data)
        watch()


def _run(study: Study, trial: optuna.Trial, parts: BinnedData, settings: TrainingSettings, data: TuningData) -> None:
    spared = BASELINE in trial.user_attrs

    def report(step: int, log_loss: float) -> None:
        trial.report(log_loss, step)
        if not spared and trial.should_prune():
            raise optuna.TrialPruned

    try:
        chosen = parameters(settings, data.names, data.labels.size)
        fitted = fit_candidate(parts, chosen, settings.trees, settings.patience, report)
    except optuna.TrialPruned:
        study.prune(trial)
    except lgb.basic.LightGBMError as error:
        study.fail(trial, _text(error))
    else:
        study.complete(trial, fitted.log_loss, fitted.trees)


def _text(error: lgb.basic.LightGBMError) -> str:
    return str(error).strip(" .\n")
