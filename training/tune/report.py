"""What a study found: figures, trials and a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import optuna
from matplotlib.figure import Figure
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from credit.files import atomic_path, write_text
from credit.schemas.features import Frozen
from training.settings import TrainingSettings
from training.tune.sampler import FAILURE
from training.tune.study import BASELINE, TREES, Study

#: Fewer complete trials say nothing about which setting matters.
_FEWEST_FOR_IMPORTANCE: Final = 5


class TrialReport(Frozen):
    """One trial.

    Attributes:
        number: in the study, from 0.
        state: complete, pruned (stopped early), fail, running or waiting.
        log_loss: on the validation part: the best of a complete trial, the last known of a pruned one.
        trees: of the best iteration.
        seconds: from start to end.
        settings: tuned settings by name.
        baseline: whether these are the settings as they were.
        failure: why it could not be fitted.
    """

    number: int
    state: str
    log_loss: float | None
    trees: int | None
    seconds: float | None
    settings: dict[str, float]
    baseline: bool
    failure: str | None


class TuningReport(Frozen):
    """A study after a search.

    Attributes:
        study: name.
        storage: address, without the password.
        engine: of this run; trials may come from others.
        wanted: finished trials asked for.
        finished: complete and pruned trials.
        best: number of the best trial, whose settings are taken.
        best_log_loss: its validation log-loss.
        baseline_log_loss: that of the settings as they were.
        chosen: the tuned settings that are taken.
        importance: share of the log-loss's variation by setting; empty with few trials.
        trials: all, by number.
    """

    study: str
    storage: str
    engine: str
    wanted: int
    finished: int
    best: int
    best_log_loss: float
    baseline_log_loss: float | None
    chosen: dict[str, float]
    importance: dict[str, float]
    trials: tuple[TrialReport, ...]

    def summary(self) -> str:
        """One line for people."""
        before = "unknown" if self.baseline_log_loss is None else f"{self.baseline_log_loss:.5f}"
        return (
            f"study {self.study}: {self.finished} trials, best log-loss {self.best_log_loss:.5f} (trial {self.best}), "
            f"{before} with the settings as they were"
        )

    def metrics(self) -> dict[str, float]:
        """Figures for the experiment tracker, named `tuning_*`."""
        found = {"tuning_trials": float(self.finished), "tuning_best_log_loss": self.best_log_loss}
        if self.baseline_log_loss is not None:
            found["tuning_baseline_log_loss"] = self.baseline_log_loss
        return found


@dataclass(frozen=True, slots=True)
class Tuned:
    """The settings to train with, and how they were found; figures by file name without ending."""

    settings: TrainingSettings
    report: TuningReport
    figures: Mapping[str, Figure]

    def write(self, folder: Path) -> None:
        """Write `tuning.json` and a PNG per figure."""
        write_text(folder / "tuning.json", self.report.model_dump_json(indent=2) + "\n")
        for name, figure in self.figures.items():
            with atomic_path(folder / f"{name}.png") as staged:
                figure.savefig(staged, dpi=110)


def describe(trial: FrozenTrial) -> TrialReport:
    """The report of one trial."""
    attributes = trial.user_attrs
    return TrialReport(
        number=trial.number,
        state=trial.state.name.lower(),
        log_loss=trial.value,
        trees=attributes.get(TREES),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        settings=dict(trial.params),
        baseline=BASELINE in attributes,
        failure=attributes.get(FAILURE),
    )


def importance(study: Study) -> dict[str, float]:
    """Which settings the log-loss depends on, by falling share."""
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    if len(complete) < _FEWEST_FOR_IMPORTANCE or np.ptp([trial.value for trial in complete]) == 0:
        return {}
    return optuna.importance.get_param_importances(study.optuna)


def history(report: TuningReport) -> Figure:
    """Validation log-loss by trial, and the best so far."""
    complete, pruned = _points(report, "complete"), _points(report, "pruned")
    figure = Figure(figsize=(7, 4), layout="tight")
    axes = figure.add_subplot()
    axes.plot(*pruned.T, "x", color="grey", label="stopped early")
    axes.plot(*complete.T, "o", label="complete")
    axes.step(complete[:, 0], np.minimum.accumulate(complete[:, 1]), where="post", label="best so far")
    if report.baseline_log_loss is not None:
        axes.axhline(report.baseline_log_loss, linestyle="--", color="grey", label="settings as they were")
    axes.set(xlabel="trial", ylabel="validation log-loss", title=f"Tuning, {report.finished} trials")
    axes.legend(loc="upper right")
    return figure


def _points(report: TuningReport, state: str) -> NDArray[np.float64]:
    """Number and log-loss of the trials that ended so, shape (trials, 2)."""
    points = [(one.number, one.log_loss) for one in report.trials if one.state == state]
    return np.array(points, dtype=np.float64).reshape(-1, 2)
