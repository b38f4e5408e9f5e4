"""What wrong decisions cost, and the threshold that makes them cheapest.

Positive means default. A client is refused when the probability of default is at or above the threshold: a false
negative is an approved client who defaults, a false positive a refused client who would have paid.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from credit.schemas.features import Frozen


class CostMatrix(Frozen):
    """Cost of each kind of error in one unit; right decisions cost nothing."""

    false_negative: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    false_positive: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @property
    def bayes_threshold(self) -> float:
        """The threshold of least expected cost for calibrated probabilities (Elkan, 2001)."""
        return self.false_positive / (self.false_positive + self.false_negative)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold and the total cost of the decisions it makes."""

    value: float
    cost: float


def total_cost(
    costs: CostMatrix, labels: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float
) -> float:
    """Cost of deciding all clients; labels (n,) are 0 or 1, probabilities (n,)."""
    refused = probabilities >= threshold
    defaulted = labels == 1
    return float(
        costs.false_negative * np.count_nonzero(defaulted & ~refused)
        + costs.false_positive * np.count_nonzero(~defaulted & refused)
    )


def expected_cost(
    costs: CostMatrix, true_probabilities: NDArray[np.float64], probabilities: NDArray[np.float64], threshold: float
) -> float:
    """Cost per client of deciding by `probabilities`, over all labels that the true probabilities allow."""
    refused = probabilities >= threshold
    return float(
        np.mean(
            np.where(
                refused, costs.false_positive * (1 - true_probabilities), costs.false_negative * true_probabilities
            )
        )
    )


def optimal_threshold(costs: CostMatrix, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Threshold:
    """The threshold of least total cost on these clients, over every possible cut.

    Between the two probabilities that enclose the best cut the middle is taken. Of equally cheap cuts the one that
    approves most clients wins.

    Args:
        costs: cost of each error.
        labels: 0 or 1, shape (n,), n >= 1.
        probabilities: shape (n,).
    """
    curve = cost_curve(costs, labels, probabilities)
    best = int(np.argmin(curve.costs))
    return Threshold(float(curve.thresholds[best]), float(curve.costs[best]))


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Cost of every possible cut, from refusing nobody (first) to refusing everybody (last).

    Attributes:
        order: clients by falling probability, shape (n,).
        refused: how many of them each cut refuses, shape (k,).
        thresholds: one that makes each cut, falling, shape (k,).
        costs: total, shape (k,).
    """

    order: NDArray[np.intp]
    refused: NDArray[np.intp]
    thresholds: NDArray[np.float64]
    costs: NDArray[np.float64]


def cost_curve(costs: CostMatrix, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> CostCurve:
    """What each cut costs on n clients; labels (n,) are 0 or 1, probabilities (n,)."""
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    # Equal probabilities cannot be parted: only the cuts between distinct values exist.
    refused = np.flatnonzero(np.concatenate([[True], ranked[1:] < ranked[:-1], [True]]))
    total = cut_costs(costs, labels[order], np.ones(labels.size, dtype=np.int64))[refused]
    return CostCurve(order, refused, _between(ranked, refused), total)


def cut_costs(costs: CostMatrix, labels: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Total cost of refusing the first 0, 1 ... n of clients that stand in order, each counted `weights` times."""
    payers, defaulters = np.where(labels == 1, 0, weights), np.where(labels == 1, weights, 0)
    refused_good = np.concatenate([[0], np.cumsum(payers)])
    approved_bad = defaulters.sum() - np.concatenate([[0], np.cumsum(defaulters)])
    cost: NDArray[np.float64] = costs.false_positive * refused_good + costs.false_negative * approved_bad
    return cost


def _between(ranked: NDArray[np.float64], refused: NDArray[np.intp]) -> NDArray[np.float64]:
    """Thresholds that refuse exactly the first `refused` of the descending probabilities."""
    above = np.concatenate([[1.0], ranked])[refused]
    below = np.concatenate([ranked, [0.0]])[refused]
    middle = (above + below) / 2
    found: NDArray[np.float64] = np.where(middle > below, middle, above)
    if ranked.size:
        found[refused == 0] = np.nextafter(max(1.0, float(ranked[0])), np.inf)
    return found
