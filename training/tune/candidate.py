"""Fits one candidate and reports on the way, so that a poor one can be stopped early."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from training.binning import Layout, binned, categorical_columns
from training.prepare import Prepared

#: A step of a trial is this much learning: trees times learning rate. Candidates are compared after equal steps; after
#: equal trees, slow learners would always look bad.
STEP: Final = 1.0
Parameters = Mapping[str, Any]
#: Called at each step with its number (from 1) and the best validation log-loss so far.
Report = Callable[[int, float], None]


@dataclass(frozen=True)
class TuningData:
    """All that tuning may see: the train and validation parts. Calibration and test stay outside.

    Attributes:
        matrix, labels: of the train part, shapes (n, f) and (n,).
        validation_matrix, validation_labels: of the validation part.
        names: of the f features.
        categorical: positions of categorical features.
    """

    matrix: NDArray[np.float64]
    labels: NDArray[np.int64]
    validation_matrix: NDArray[np.float64]
    validation_labels: NDArray[np.int64]
    names: tuple[str, ...]
    categorical: tuple[int, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> "TuningData":
        """The parts of prepared data."""
        names = prepared.contract.names
        parts = (*prepared.part("train"), *prepared.part("validation"))
        return cls(*parts, names=names, categorical=categorical_columns(prepared.contract))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over names, values and labels."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for values in (self.matrix, self.labels, self.validation_matrix, self.validation_labels):
            digest.update(np.ascontiguousarray(values).view(np.uint8).data)
        return digest.hexdigest()


class BinnedData:
    """Train and validation parts, binned once for all trials of a process."""

    def __init__(self, data: TuningData, parameters: Parameters) -> None:
        layout = Layout(data.names, data.categorical, parameters)
        self.train = binned(data.matrix, data.labels, layout)
        self.validation = binned(data.validation_matrix, data.validation_labels, layout, bins_of=self.train)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What became of a candidate: best validation log-loss, and the trees that reached it."""

    log_loss: float
    trees: int


def fit_candidate(data: BinnedData, parameters: Parameters, trees: int, patience: int, report: Report) -> Fitted:
    """Grow at most `trees`, stopped early as in training; what `report` raises ends the trial.

    Raises:
        lightgbm.basic.LightGBMError: the parameters do not fit the data.
    """
    booster = lgb.train(
        dict(parameters),
        data.train,
        num_boost_round=trees,
        valid_sets=[data.validation],
        callbacks=[lgb.early_stopping(patience, verbose=False), _Reporter(parameters["learning_rate"], report)],
    )
    ((_, best),) = booster.best_score["valid_0"].items()
    return Fitted(log_loss=float(best), trees=booster.best_iteration)


class _Reporter:
    """A callback of LightGBM that reports each step once."""

    #: Before early stopping, which ends a fit by raising.
    order = 0

    def __init__(self, learning_rate: float, report: Report) -> None:
        self._learning_rate, self._report = learning_rate, report
        self._step, self._best = 0, float("inf")

    def __call__(self, env: Any) -> None:
        self._best = min(self._best, env.evaluation_result_list[0][2])
        # The nearest tree to a whole step; rounding noise must not move it.
        reached = int((env.iteration + 1) * self._learning_rate / STEP + 1e-9)
        if reached > self._step:
            self._step = reached
            self._report(reached, self._best)
