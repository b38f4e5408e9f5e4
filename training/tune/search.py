"""Searches the settings of the lowest log-loss on the validation part.

Objective and early stopping share the validation part, so the best value is a little optimistic; calibration and
test part have seen nothing of it.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing

import optuna
from sqlalchemy.exc import SQLAlchemyError

from credit.errors import StepError, TrainingError
from credit.progress import Step
from training.parameters import parameters
from training.prepare import Prepared
from training.settings import TrainingSettings
from training.tune.candidate import TuningData
from training.tune.one_by_one import run_here
from training.tune.report import Tuned, TuningReport, describe, history, importance
from training.tune.request import TuneRequest
from training.tune.sampler import FAILURE
from training.tune.space import settings_with, starting_point
from training.tune.study import Study, open_study, redacted, study_name, study_url

log = logging.getLogger(__name__)


def tune(prepared: Prepared, settings: TrainingSettings, request: TuneRequest, progress: Step) -> Tuned:
    """Search until the study has the finished trials that are wanted, or time is over.

    The first trial is `settings` as they are, so the result is never worse on the validation part.

    Args:
        prepared: only its train and validation parts are looked at.
        settings: starting point, seed, and what is not tuned.
        request: how long, where.
        progress: counts finished trials.

    Raises:
        SettingsError: the study cannot be opened, or no Ray is named.
        StepError: the study's database or Ray was lost on the way.
        TrainingError: no trial could be completed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = TuningData.of(prepared)
    fixed = parameters(settings, data.names, data.labels.size)
    url = request.study_url or study_url(request.folder)
    name = study_name(request.study_name or settings.model_name, data, settings, fixed)
    with closing(open_study(url, name, settings)) as study:
        try:
            _search(study, data, settings, request, progress)
            return _result(study, settings, request, redacted(url))
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise StepError(
                f"the study at {redacted(url)} was lost on the way ({type(error).__name__}). Mend it and run the same "
                "command again: finished trials are kept"
            ) from error


def _search(study: Study, data: TuningData, settings: TrainingSettings, request: TuneRequest, progress: Step) -> None:
    watch = _watcher(study, request, progress)
    watch()
    if study.finished() >= request.trials:
        return
    more = _allowance(request)
    if request.engine == "local":
        run_here(study, data, settings, request.trials, more, watch)
        return
    from training.tune.on_ray import run_on_ray  # Ray takes a second to import

    run_on_ray(study, data, settings, request, more, watch)


def _allowance(request: TuneRequest) -> Callable[[], bool]:
    """Says whether another trial may start; the first of a run always may."""
    started, asked = time.monotonic(), 0

    def more() -> bool:
        nonlocal asked
        asked += 1
        spent = time.monotonic() - started
        return asked == 1 or request.budget_seconds is None or spent < request.budget_seconds

    return more


def _watcher(study: Study, request: TuneRequest, progress: Step) -> Callable[[], None]:
    """Moves the bar and tells of each better trial."""
    progress.set_total(request.trials)
    shown, best_number = 0, -1

    def watch() -> None:
        nonlocal shown, best_number
        finished, best = min(study.finished(), request.trials), study.best()
        progress.advance(finished - shown)
        shown = finished
        if best is not None and best.number != best_number:
            best_number = best.number
            progress.describe(f"Tune, best log-loss {best.value:.5f}")
            log.info("tuning: trial %d is the best of %d so far, log-loss %.5f", best.number, finished, best.value)

    return watch


def _result(study: Study, settings: TrainingSettings, request: TuneRequest, storage: str) -> Tuned:
    best, baseline = study.best(), study.baseline()
    if best is None or best.value is None:
        causes = [str(trial.user_attrs[FAILURE]) for trial in study.trials if FAILURE in trial.user_attrs]
        raise TrainingError(
            f"no trial of {study.optuna.study_name} came to its end"
            + (f"; the last one failed with: {causes[-1]}" if causes else "")
            + ". Try training without --tune first: it names what is wrong with data or settings"
        )
    chosen = settings_with(settings, best.params)
    report = TuningReport(
        study=study.optuna.study_name,
        storage=storage,
        engine=request.engine,
        wanted=request.trials,
        finished=study.finished(),
        best=best.number,
        best_log_loss=best.value,
        baseline_log_loss=baseline.value if baseline else None,
        chosen=starting_point(chosen),
        importance=importance(study),
        trials=tuple(describe(trial) for trial in study.trials),
    )
    return Tuned(chosen, report, {"tuning": history(report)})
