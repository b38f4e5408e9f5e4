"""What Ray Tune asks: the next candidate, and whether a running one goes on.

Candidates come from the Optuna study, so that a killed search goes on, on either engine. Ray's own Optuna searcher is
not used: it records stopped trials as complete, and pickles the study's address with its password into Ray's files.
"""

from collections.abc import Callable
from typing import Any, Final

import optuna
import ray
from ray.tune.result import NODE_IP, PID
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher

from training.tune.candidate import Fitted, Parameters
from training.tune.one_by_one import Watch
from training.tune.study import BASELINE, WORKER, Study

METRIC: Final = "log_loss"
MODE: Final = "min"
_STEP: Final = "step"
#: Workers that may be lost one after the other before it counts as a failure.
_MOST_LOST: Final = 3
#: More steps than any fit has: only rungs stop a trial.
_MOST_STEPS: Final = 10_000

Result = dict[str, Any]


def step_result(step: int, log_loss: float) -> Result:
    """What a worker reports on the way."""
    return {METRIC: log_loss, _STEP: step}


def final_result(fitted: Fitted) -> Result:
    """What a worker reports at the end; a trial that never does was stopped."""
    return {METRIC: fitted.log_loss, _STEP: _MOST_STEPS - 1, "trees": fitted.trees}


def failed_result(cause: str) -> Result:
    """What a worker reports when the candidate cannot be fitted; repeating it would not help."""
    return {METRIC: float("inf"), _STEP: 0, "failure": cause}


class StudySearch(Searcher):
    """Asks and tells the study; lives in the process that started the search, and is never restored from Ray's files.

    Args:
        study: of Optuna.
        candidate: LightGBM's parameters of a trial, as far as they differ between trials.
        wanted: finished trials that the study shall have.
        more: whether another trial may start.
        watch: called after each trial.
    """

    def __init__(
        self,
        study: Study,
        candidate: Callable[[optuna.Trial], Parameters],
        wanted: int,
        more: Callable[[], bool],
        watch: Watch,
    ) -> None:
        super().__init__(metric=METRIC, mode=MODE)
        self._study, self._candidate, self._wanted, self._more, self._watch = study, candidate, wanted, more, watch
        self._running: dict[str, optuna.Trial] = {}
        self._reached: dict[str, int] = {}
        self._finished = study.finished()
        self._failed = self._lost_in_a_row = 0

    def suggest(self, trial_id: str) -> Any:
        """The configuration of a trial that Ray is about to place; None to be asked again later."""
        if len(self._running) > _cpus():
            return None  # one waits already; a candidate is the better the more is known
        if self._running and self._finished + self._failed + len(self._running) >= self._wanted:
            return None  # unless one of them is lost, they are the last
        self._finished = self._study.finished()  # others may work on the same study
        if self._finished + self._failed >= self._wanted or not self._more():
            return Searcher.FINISHED
        trial = self._running[trial_id] = self._study.ask()
        return {"parameters": dict(self._candidate(trial)), BASELINE: BASELINE in trial.user_attrs}

    def on_trial_result(self, trial_id: str, result: Result) -> None:
        """A step; a trial that Ray repeats reports its first steps again."""
        if "trees" not in result and result[_STEP] > self._reached.get(trial_id, 0):
            self._reached[trial_id] = result[_STEP]
            self._running[trial_id].report(result[METRIC], result[_STEP])

    def on_trial_complete(self, trial_id: str, result: Result | None = None, error: bool = False) -> None:
        """The end of a trial: complete, failed, lost, or stopped by the scheduler."""
        trial, result = self._running.pop(trial_id), result or {}
        if error:
            self._lose(trial)
        elif "failure" in result:
            self._failed += 1
            self._study.fail(trial, result["failure"])
        else:
            self._finished += 1
            self._lost_in_a_row = 0
            trial.set_user_attr(WORKER, f"{result.get(NODE_IP)}:{result.get(PID)}")
            if "trees" in result:
                self._study.complete(trial, result[METRIC], result["trees"])
            else:
                self._study.prune(trial)
        self._watch()

    def _lose(self, trial: optuna.Trial) -> None:
        """Ray repeats a trial that ran, but not one whose worker died while it started."""
        self._lost_in_a_row += 1
        if self._lost_in_a_row <= _MOST_LOST:
            self._study.repeat(trial)
        else:
            self._failed += 1
            self._study.fail(trial, "its worker on Ray was lost, or raised an error")

    def save(self, checkpoint_path: str) -> None:
        """Nothing is saved: the study is in its database."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is restored."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray pickles its tuner into a file: no study, and no password with it."""
        return {}


class Halving(ASHAScheduler):
    """Asynchronous successive halving that spares the settings as they were."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Result) -> str:
        """Whether the trial goes on."""
        decision = str(super().on_trial_result(tune_controller, trial, result))
        return str(TrialScheduler.CONTINUE) if trial.config[BASELINE] else decision


def _cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 0))


def halving() -> Halving:
    """Stops the worse half at 3, 6, 12... steps."""
    return Halving(time_attr=_STEP, max_t=_MOST_STEPS, grace_period=3, reduction_factor=2)
