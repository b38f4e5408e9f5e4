"""Stratified cross-validation by person: how much AUC and log-loss move with the clients that are drawn.

The spread says what one more sample of the same size would show. It judges the settings, not the registered model,
and never sees the calibration or test part.
"""

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from credit.clock import mix64
from credit.errors import TrainingError
from credit.metrics import auc, log_loss
from credit.progress import Step
from credit.schemas.features import Frozen
from training.binning import Layout, binned, categorical_columns
from training.parameters import parameters
from training.prepare import Prepared
from training.settings import TrainingSettings


class CrossValidation(Frozen):
    """AUC and log-loss on each fold left out, in order of the folds."""

    auc: tuple[float, ...]
    log_loss: tuple[float, ...]

    def metrics(self) -> dict[str, float]:
        """Mean and standard deviation (of one fold, not of the mean) over the folds, named `cv_*`."""
        found = {"cv_folds": float(len(self.auc))}
        for name, values in (("auc", self.auc), ("log_loss", self.log_loss)):
            found[f"cv_{name}_mean"] = float(np.mean(values))
            found[f"cv_{name}_std"] = float(np.std(values, ddof=1))
        return found


def cross_validate(
    prepared: Prepared, settings: TrainingSettings, trees: int, progress: Step, folds: int = 5
) -> CrossValidation | None:
    """Fit once per fold on all other folds of the train and validation parts.

    Bins are those of all rows together: they depend on values of features, on no label.

    Args:
        prepared: data; its calibration and test parts are not touched.
        settings: of the model.
        trees: grown in every fold, as early stopping found before; no fold looks at the rows left out.
        progress: advances by tree, `folds * trees` in all.
        folds: at least 2; 0 switches it off.

    Raises:
        TrainingError: there are fewer defaults or payers than folds, or `folds` is 1 or negative.
    """
    if folds == 0:
        return None
    rows = np.sort(np.concatenate([prepared.split.train, prepared.split.validation]))
    matrix, labels = prepared.matrix[rows], prepared.dataset.labels[rows]
    fold = assign_folds(prepared.dataset.persons[rows], labels, folds, settings.seed)
    contract = prepared.contract
    binning = parameters(settings, contract.names, rows.size)
    every = binned(matrix, labels, Layout(contract.names, categorical_columns(contract), binning))
    judged = []
    for left_out in range(folds):
        inside = np.flatnonzero(fold != left_out)
        booster = lgb.train(
            parameters(settings, contract.names, inside.size),
            every.subset(inside.tolist()),
            num_boost_round=trees,
            callbacks=[lambda _: progress.advance()],
        )
        outside = fold == left_out
        probability = np.asarray(booster.predict(matrix[outside]), dtype=np.float64)
        judged.append((auc(labels[outside], probability), log_loss(labels[outside], probability)))
    aucs, losses = zip(*judged, strict=True)
    return CrossValidation(auc=aucs, log_loss=losses)


def assign_folds(persons: NDArray[np.int64], labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each of n applications, shape (n,): all of a person in one, classes spread as evenly as that allows.

    Persons with the most applications come first, in an order drawn from `seed`; each goes to the fold with the fewest
    defaults if the person has one, else to the fold with the fewest payers. With one application each, folds differ by
    at most one default and one payer.

    Raises:
        TrainingError: there are fewer defaults or payers than folds, or fewer than two folds.
    """
    if folds < 2:
        raise TrainingError(f"cross-validation needs at least 2 folds, or 0 for none; {folds} were asked for")
    _, person = np.unique(persons, return_inverse=True)
    defaults = np.bincount(person, weights=labels).astype(np.int64)
    payers = np.bincount(person).astype(np.int64) - defaults
    if min(np.count_nonzero(defaults), np.count_nonzero(payers)) < folds:
        raise TrainingError(
            f"{labels.size} applications with {int(labels.sum())} defaults are too few for {folds} folds with both "
            "classes: train on more clients, or ask for fewer folds"
        )
    return _deal(defaults, payers, _order(persons, person, defaults, payers, seed), folds)[person]


def _order(
    persons: NDArray[np.int64],
    person: NDArray[np.intp],
    defaults: NDArray[np.int64],
    payers: NDArray[np.int64],
    seed: int,
) -> NDArray[np.intp]:
    """Persons with defaults first (their payers are balanced by those who come later), large ones before small ones."""
    ids = np.zeros(defaults.size, dtype=np.uint64)
    ids[person] = persons.astype(np.uint64)
    drawn = mix64(ids ^ mix64(np.array([seed], dtype=np.uint64)))
    return np.lexsort((drawn, -(defaults + payers), -defaults))


def _deal(
    defaults: NDArray[np.int64], payers: NDArray[np.int64], order: NDArray[np.intp], folds: int
) -> NDArray[np.int64]:
    """The fold of each person."""
    dealt = np.zeros(defaults.size, dtype=np.int64)
    held_defaults, held_payers = [0] * folds, [0] * folds
    for at, its_defaults, its_payers in zip(
        order.tolist(), defaults[order].tolist(), payers[order].tolist(), strict=True
    ):
        first, second = (held_defaults, held_payers) if its_defaults else (held_payers, held_defaults)
        best = min(zip(first, second, range(folds), strict=True))[2]
        dealt[at] = best
        held_defaults[best] += its_defaults
        held_payers[best] += its_payers
    return dealt
