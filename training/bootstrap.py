"""Bootstrap intervals of figures, alone or as paired differences between two models on the same clients.

A resample of n clients is a vector of how often each was drawn, so that a figure is sorted once and then recomputed
from weights, and two models are compared on the very same resamples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.cost import CostMatrix

Labels = NDArray[np.int64]
Column = NDArray[np.float64]
#: A figure as a function of how often each of the n clients was drawn.
Figure = Callable[[NDArray[np.int64]], float]

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
    order = np.argsort(scores, kind="stable")
    defaulted = labels[order] == 1
    ranked = scores[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))

    def figure(weights: NDArray[np.int64]) -> float:
        drawn = weights[order]
        positive = np.add.reduceat(np.where(defaulted, drawn, 0), starts)
        negative = np.add.reduceat(np.where(defaulted, 0, drawn), starts)
        below = np.cumsum(negative) - negative
        pairs = float(positive.sum()) * float(negative.sum())
        return float(np.sum(positive * (below + negative / 2)) / pairs) if pairs else float("nan")

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


def mean_figure(values: Column) -> Figure:
    """Mean of one value per client."""
    return lambda weights: float(weights @ values / weights.sum())


def difference(first: Figure, second: Figure) -> Figure:
    """First minus second, on the same resample."""
    return lambda weights: first(weights) - second(weights)
