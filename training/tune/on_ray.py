"""Trials side by side on a Ray cluster through Ray Tune; the study stays with this process."""

import logging
import os
import shutil
from collections.abc import Callable
from typing import Any, Final

import lightgbm as lgb
import optuna

from credit.errors import StepError
from feature_repo.ray_tasks import join_ray
from feature_repo.settings import FeatureSettings
from training.parameters import parameters
from training.settings import TrainingSettings
from training.tune.candidate import BinnedData, Parameters, TuningData, fit_candidate
from training.tune.one_by_one import Watch
from training.tune.request import TuneRequest
from training.tune.space import settings_with
from training.tune.study import Study

log = logging.getLogger(__name__)

#: How often Ray repeats a trial whose worker died.
_REPEATS: Final = 3
#: Ray Tune's own files and tables would repeat what the study holds; an interrupt would end the search and let training
#: go on; and workers would start one after the other, where the search knows how many there is room for.
_SWITCHES: Final = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "10000",
}


def run_on_ray(
    study: Study,
    data: TuningData,
    settings: TrainingSettings,
    request: TuneRequest,
    more: Callable[[], bool],
    watch: Watch,
) -> None:
    """Run trials, one CPU each, until the study has the finished ones that are wanted.

    Raises:
        SettingsError: no address of Ray is known.
        StepError: Ray cannot be joined, or ended the search.
    """
    for switch, value in _SWITCHES.items():
        os.environ.setdefault(switch, value)
    join_ray(request.ray_address or FeatureSettings().ray_address)
    from ray import tune

    from training.tune.ray_search import METRIC, MODE, StudySearch, halving

    rows, scratch = data.labels.size, request.folder / "ray"
    fixed = parameters(settings, data.names, rows) | {"num_threads": 1}

    def candidate(trial: optuna.Trial) -> Parameters:
        chosen = parameters(settings_with(settings, trial.params), data.names, rows) | {"num_threads": 1}
        return {name: value for name, value in chosen.items() if value != fixed[name]}

    # The data goes to Ray's object store once; workers on a node share it there.
    trainable = tune.with_parameters(_trial, data=data, fixed=fixed, trees=settings.trees, patience=settings.patience)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode=MODE,
            search_alg=StudySearch(study, candidate, request.trials, more, watch),
            scheduler=halving(),
            num_samples=-1,  # the search says when it is over
            reuse_actors=True,  # a worker takes seconds to start
        ),
        run_config=tune.RunConfig(
            name=study.optuna.study_name,
            storage_path=str(scratch),
            failure_config=tune.FailureConfig(max_failures=_REPEATS),
            verbose=0,
        ),
    )
    try:
        for error in tuner.fit().errors[:1]:
            log.warning("a trial on Ray failed: %s", error)
    except tune.TuneError as error:
        raise StepError(f"Ray Tune ended the search: {error}. Run it again: finished trials are kept") from error
    finally:
        shutil.rmtree(scratch / study.optuna.study_name, ignore_errors=True)


def _trial(config: dict[str, Any], data: TuningData, fixed: Parameters, trees: int, patience: int) -> None:
    """One trial on a worker, which knows no database and no settings."""
    from ray import tune

    from training.tune.ray_search import failed_result, final_result, step_result

    chosen = {**fixed, **config["parameters"]}

    def report(step: int, log_loss: float) -> None:
        tune.report(step_result(step, log_loss))

    try:
        fitted = fit_candidate(BinnedData(data, chosen), chosen, trees, patience, report)
    except lgb.basic.LightGBMError as error:
        tune.report(failed_result(str(error).strip(" .\n")))
    else:
        tune.report(final_result(fitted))
