"""Fits both calibrations and takes the one that predicts held-out clients better."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from credit.calibration import Calibration, logistic
from credit.errors import TrainingError
from credit.metrics import log_loss

Fitter = Callable[[NDArray[np.int64], NDArray[np.float64]], Calibration]

FOLDS = 5
_NEWTON_STEPS = 100


def calibrate(labels: NDArray[np.int64], margins: NDArray[np.float64], seed: int) -> Calibration:
    """The better calibration by cross-fitted log-loss, fitted on all clients given.

    Args:
        labels: 0 or 1, shape (n,).
        margins: raw log-odds of the model, shape (n,).
        seed: of the folds.

    Raises:
        TrainingError: margins do not rank defaulters above payers at all, so that nothing can be calibrated.
    """
    platt = fit_platt(labels, margins)
    candidates: dict[str, Fitter] = {"platt": fit_platt, "isotonic": fit_isotonic}
    fold = np.random.default_rng(seed).permutation(labels.size) % FOLDS
    if any(labels[fold != part].min() == labels[fold != part].max() for part in range(FOLDS)):
        return platt  # too few defaults to compare the two
    losses = {name: _held_out_loss(fitter, labels, margins, fold) for name, fitter in candidates.items()}
    return platt if losses["platt"] <= losses["isotonic"] else fit_isotonic(labels, margins)


def fit_platt(labels: NDArray[np.int64], margins: NDArray[np.float64]) -> Calibration:
    """Logistic regression on the margin with Platt's smoothed targets, by Newton's method (Platt, 1999)."""
    positives = int(labels.sum())
    negatives = labels.size - positives
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.column_stack([margins, np.ones_like(margins)])
    weights = np.array([1.0, 0.0])
    for _ in range(_NEWTON_STEPS):
        predicted = logistic(np.clip(design @ weights, -30, 30))
        gradient = design.T @ (predicted - target)
        curvature = (design * (predicted * (1 - predicted))[:, None]).T @ design + 1e-9 * np.eye(2)
        change = np.linalg.solve(curvature, gradient)
        weights = weights - change
        if np.abs(change).max() < 1e-10:
            break
    slope, intercept = (float(weight) for weight in weights)
    if not slope > 0:
        raise TrainingError("the model ranks the calibration clients no better than chance: check data and labels")
    return Calibration.platt(slope, intercept)


def fit_isotonic(labels: NDArray[np.int64], margins: NDArray[np.float64]) -> Calibration:
    """Isotonic regression (pool adjacent violators) whose block centres are joined in log-odds.

    A block of k defaults among m clients stands for (k + base rate) / (m + 1), so that no probability is 0 or 1.
    Beyond the outer centres the map goes on with Platt's slope.
    """
    platt = fit_platt(labels, margins)
    order = np.argsort(margins, kind="stable")
    ranked, outcome = margins[order], labels[order].astype(np.float64)
    centres, counts, rates = _blocks(ranked, outcome)
    shrunk = (counts * rates + outcome.mean()) / (counts + 1)
    # Shrinking small blocks harder than large ones can break the order: pool once more.
    level = isotonic_regression(shrunk, sample_weight=counts)
    log_odds = np.log(level) - np.log1p(-level)
    # Levels may differ by less than their log-odds can tell.
    starts = np.flatnonzero(np.diff(log_odds, prepend=-np.inf) > 0)
    mass = np.add.reduceat(counts, starts)
    knots = np.add.reduceat(centres * counts, starts) / mass
    rising = np.diff(np.maximum.accumulate(knots), prepend=-np.inf) > 0
    knots, log_odds = knots[rising], log_odds[starts][rising]
    return Calibration(
        method="isotonic",
        margins=tuple(knots.tolist()),
        log_odds=tuple(log_odds.tolist()),
        slope_below=platt.slope_below,
        slope_above=platt.slope_above,
    )


def _blocks(
    margins: NDArray[np.float64], outcome: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean margin, clients and default rate of each block, by rising margin; equal margins stay together."""
    values, inverse, repeats = np.unique(margins, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, weights=outcome) / repeats
    level = isotonic_regression(mean, sample_weight=repeats.astype(np.float64))
    starts = np.flatnonzero(np.diff(level, prepend=-1.0) > 0)
    counts = np.add.reduceat(repeats, starts).astype(np.float64)
    centres = np.add.reduceat(values * repeats, starts) / counts
    return centres, counts, level[starts]


def _held_out_loss(
    fitter: Fitter,
    labels: NDArray[np.int64],
    margins: NDArray[np.float64],
    fold: NDArray[np.int64],
) -> float:
    predicted = np.empty_like(margins)
    for part in range(FOLDS):
        held_out = fold == part
        predicted[held_out] = fitter(labels[~held_out], margins[~held_out]).probability(margins[held_out])
    return log_loss(labels, predicted)
