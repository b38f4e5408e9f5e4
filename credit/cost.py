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


def optimal_threshold(costs: CostMatrix, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Threshold:
    """The threshold of least total cost on these clients, over every possible cut.

    Between the two probabilities that enclose the best cut the middle is taken. Of equally cheap cuts the one that
    approves most clients wins.

    Args:
        costs: cost of each error.
        labels: 0 or 1, shape (n,), n >= 1.
        probabilities: shape (n,).
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked, defaulted = probabilities[order], labels[order] == 1
    refused_good = np.concatenate([[0], np.cumsum(~defaulted)])
    approved_bad = defaulted.sum() - np.concatenate([[0], np.cumsum(defaulted)])
    cost = costs.false_positive * refused_good + costs.false_negative * approved_bad
    # Equal probabilities cannot be parted: only the cuts between distinct values exist.
    possible = np.concatenate([[True], ranked[1:] < ranked[:-1], [True]])
    best = int(np.argmin(np.where(possible, cost, np.inf)))
    return Threshold(_between(ranked, best), float(cost[best]))


def _between(ranked: NDArray[np.float64], refused: int) -> float:
    """A threshold that refuses exactly the first `refused` of the descending probabilities."""
    above = float(ranked[refused - 1]) if refused else 1.0
    below = float(ranked[refused]) if refused < ranked.size else 0.0
    if not refused:
        return float(np.nextafter(max(above, below), np.inf))
    middle = (above + below) / 2
    return middle if middle > below else above
