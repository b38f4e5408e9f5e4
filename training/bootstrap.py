"""Bootstrap intervals of figures, alone or as paired differences between two models on the same clients.

A resample of n clients is a vector of how often each was drawn, so that a figure is sorted once and then recomputed
from weights, and two models are compared on the very same resamples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from credit.cost import CostMatrix

Labels = NDArray[np.int64]
Column = NDArray[np.float64]
#: A figure as a function of how often each of the n clients was drawn.
Figure = Callable[[NDArray[np.int64]], float]
Result = TypeVar("Result")

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure on all clients with its percentile interval."""

    value: float
    low: float
    high: float


def intervals(
    figures: Mapping[str, Figure], clients: int, *, replicates: int = 500, seed: int = 0, confidence: float = CONFIDENCE
) -> dict[str, Interval]:
    """Percentile intervals (Efron, 1979) of every figure, from the same resamples of `clients` clients.

    A resample on which a figure is not defined (one class only) is left out for that figure.

    Args:
        figures: by name.
        clients: n.
        replicates: number of resamples.
        seed: of the resamples.
        confidence: share of resamples inside an interval.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(replicates):
        weights = np.bincount(rng.integers(0, clients, clients), minlength=clients)
        for name, figure in figures.items():
            drawn[name].append(figure(weights))
    once = np.ones(clients, dtype=np.int64)
    tail = (1 - confidence) / 2
    found: dict[str, Interval] = {}
    for name, figure in figures.items():
        values = np.array(drawn[name])
        low, high = np.quantile(values[~np.isnan(values)], [tail, 1 - tail])
        found[name] = Interval(figure(once), float(low), float(high))
    return found


def auc_figure(labels: Labels, scores: Column) -> Figure:
    """Area under the ROC curve; ties count half. NaN where only one class was drawn."""
    return ranking_figures(labels, scores)["auc"]


def ranking_figures(labels: Labels, scores: Column) -> dict[str, Figure]:
    """auc, average_precision and ks, which share one sorting. NaN where only one class was drawn."""
    cumulate = remembered(_cumulative(labels, scores))

    def auc(weights: NDArray[np.int64]) -> float:
        defaulters, payers = cumulate(weights)
        pairs = float(defaulters[-1]) * float(payers[-1])
        # A payer loses to every defaulter above and to half of those with the same score.
        above = defaulters[:-1] + np.diff(defaulters) / 2
        won = payers[0] * defaulters[0] / 2 + float(np.sum(np.diff(payers) * above))
        return float(won / pairs) if pairs else float("nan")

    def average_precision(weights: NDArray[np.int64]) -> float:
        defaulters, payers = cumulate(weights)
        if not defaulters[-1] or not payers[-1]:
            return float("nan")
        gained = np.diff(defaulters, prepend=0) / defaulters[-1]
        return float(np.sum(gained * defaulters / np.maximum(defaulters + payers, 1)))

    def kolmogorov_smirnov(weights: NDArray[np.int64]) -> float:
        defaulters, payers = cumulate(weights)
        if not defaulters[-1] or not payers[-1]:
            return float("nan")
        return float(np.max(np.abs(defaulters / defaulters[-1] - payers / payers[-1])))

    return {"auc": auc, "average_precision": average_precision, "ks": kolmogorov_smirnov}


def calibration_error_figure(labels: Labels, probabilities: Column, bins: int = 10) -> Figure:
    """Expected calibration error over bins of equal mass of the clients drawn."""
    order = np.argsort(probabilities, kind="stable")
    gap = (probabilities - labels)[order]

    def figure(weights: NDArray[np.int64]) -> float:
        drawn = weights[order]
        seen, summed = np.cumsum(drawn), np.cumsum(drawn * gap)
        clients, parts = int(seen[-1]), min(bins, int(seen[-1]))
        # The ends of the bins as numpy.array_split puts them; a client drawn often may lie in two bins.
        ends = np.cumsum(np.full(parts, clients // parts) + (np.arange(parts) < clients % parts))
        last = np.searchsorted(seen, ends)
        up_to = summed[last] - (seen[last] - ends) * gap[last]
        return float(np.abs(np.diff(up_to, prepend=0.0)).sum() / clients)

    return figure


def cost_figure(costs: CostMatrix, labels: Labels, probabilities: Column, threshold: float) -> Figure:
    """Cost of the decisions per client."""
    refused = probabilities >= threshold
    defaulted = labels == 1
    own = costs.false_negative * (defaulted & ~refused) + costs.false_positive * (~defaulted & refused)
    return mean_figure(own)


def brier_figure(labels: Labels, probabilities: Column) -> Figure:
    """Mean squared error of the probabilities."""
    return mean_figure((probabilities - labels) ** 2)


def log_loss_figure(labels: Labels, probabilities: Column) -> Figure:
    """Mean negative log-likelihood; probabilities lie strictly inside (0, 1)."""
    return mean_figure(-np.where(labels == 1, np.log(probabilities), np.log1p(-probabilities)))


def mean_figure(values: Column) -> Figure:
    """Mean of one value per client."""
    # No matrix product: on a busy machine its threads wait for each other longer than they work.
    return lambda weights: float(np.sum(weights * values) / weights.sum())


def remembered(figure: Callable[[NDArray[np.int64]], Result]) -> Callable[[NDArray[np.int64]], Result]:
    """The same function, computed once for each resample, however many figures ask for it."""
    last: list[tuple[NDArray[np.int64], Result]] = []

    def once(weights: NDArray[np.int64]) -> Result:
        if not last or last[0][0] is not weights:
            last[:] = [(weights, figure(weights))]
        return last[0][1]

    return once


def upward_biased(interval: Interval) -> Interval:
    """The basic interval (Davison and Hinkley, 1997) of a figure that is never negative and that resampling inflates.

    An expected calibration error sums absolute gaps, so that every resample adds noise to it; the percentile interval
    of a well calibrated model would lie above its own figure. The interval returned always holds the figure.
    """
    low, high = 2 * interval.value - interval.high, 2 * interval.value - interval.low
    return Interval(interval.value, min(max(low, 0.0), interval.value), max(high, interval.value))


def difference(first: Figure, second: Figure) -> Figure:
    """First minus second, on the same resample."""
    return lambda weights: first(weights) - second(weights)


def _cumulative(
    labels: Labels, scores: Column
) -> Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Defaulters and payers at or above each distinct score, riskiest first, as functions of the weights."""
    order = np.argsort(-scores, kind="stable")
    ranked, defaulted = scores[order], labels[order]
    last_of_ties = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))

    def cumulate(weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        drawn = weights[order]
        defaulters = np.cumsum(drawn * defaulted)[last_of_ties]
        return defaulters, np.cumsum(drawn)[last_of_ties] - defaulters

    return cumulate
