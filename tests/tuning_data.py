"""Prepared data on which a trial takes milliseconds, and searches on it.

As a program: search in a process of its own, `python tests/tuning_data.py FOLDER TRIALS TREES [ENGINE ADDRESS]`, the
study's address in TUNING_STUDY.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from training_data import synthetic_dataset

from credit.progress import step
from training.prepare import Prepared, prepare
from training.settings import TrainingSettings
from training.tune.report import Tuned
from training.tune.request import TuneRequest
from training.tune.search import tune

SETTINGS = TrainingSettings(trees=60, threads=1, seed=3)


@cache
def small() -> Prepared:
    """1,000 clients."""
    return prepare(synthetic_dataset(1_000), SETTINGS)


def search(folder: Path, trials: int, **changes: Any) -> Tuned:
    """Search on the small data; `settings` and `prepared` may be changed, and every part of the request."""
    settings = changes.pop("settings", SETTINGS)
    prepared = changes.pop("prepared", None) or small()
    with step("Tune", total=trials) as progress:
        return tune(prepared, settings, TuneRequest(trials=trials, folder=folder, **changes), progress)


def outline(tuned: Tuned) -> list[tuple[Any, ...]]:
    """What finished trials were and gave."""
    return [
        (trial.state, trial.log_loss, trial.trees, trial.settings)
        for trial in tuned.report.trials
        if trial.state in ("complete", "pruned")
    ]


def slow_settings(trees: int) -> TrainingSettings:
    """Fits that grow all their trees, so that there is time to kill something."""
    return SETTINGS.model_copy(update={"trees": trees, "patience": trees})


if __name__ == "__main__":
    folder, trials, trees, *where = sys.argv[1:]
    engine, address = where or ("local", None)
    search(
        Path(folder),
        int(trials),
        settings=slow_settings(int(trees)),
        study_url=os.environ.get("TUNING_STUDY"),
        engine=engine,
        ray_address=address,
    )
