"""What each leaf contributes to each feature on its path, for every way in which its conditions can hold."""

from collections import defaultdict
from collections.abc import Sequence
from math import factorial

import numpy as np
from numpy.typing import NDArray

from credit.bundle.tree_shap.trees import Leaf


def leaf_tables(leaves: Sequence[Leaf]) -> list[NDArray[np.float64]]:
    """Shapley values of every leaf's game, each of shape (2^d, d) for a leaf with d conditions.

    Row p is the case in which condition j holds if and only if bit j of p is set. The players of a leaf are the
    features on its path. A coalition S is worth the leaf's value times, for each feature in S, whether its condition
    holds and, for each other one, the share of training clients for which it held: path-dependent TreeSHAP (Lundberg
    et al., 2020, Algorithm 1, of which this is the closed form for one leaf). Other features are null players.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for at, leaf in enumerate(leaves):
        by_size[len(leaf.conditions)].append(at)
    tables: list[NDArray[np.float64]] = [np.empty((1, 0))] * len(leaves)
    for size, members in by_size.items():
        if size:
            shares = np.array([[one.share for one in leaves[at].conditions] for at in members])
            values = np.array([leaves[at].value for at in members])
            for at, table in zip(members, _tables(values, shares), strict=True):
                tables[at] = table
    return tables


def _tables(values: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tables of n leaves with d conditions each, shape (n, 2^d, d)."""
    conditions = shares.shape[1]
    tables = np.empty((len(values), 1 << conditions, conditions))
    for pattern in range(1 << conditions):
        holds = [float(pattern >> one & 1) for one in range(conditions)]
        for player in range(conditions):
            others = [one for one in range(conditions) if one != player]
            worth = _mean_worth(holds, shares, others)
            tables[:, pattern, player] = values * (holds[player] - shares[:, player]) * worth
    return tables


def _mean_worth(holds: Sequence[float], shares: NDArray[np.float64], others: Sequence[int]) -> NDArray[np.float64]:
    """Mean over the orders of players of the product over those that came before (holds) and those after (share).

    The product of (share + holds * t) over the others has, at t^k, the sum over all coalitions of k of them; each
    coalition counts k! (d - 1 - k)! / d!.
    """
    sums = np.zeros((len(others) + 1, len(shares)))
    sums[0] = 1.0
    for one in others:
        sums[1:] = sums[1:] * shares[:, one] + sums[:-1] * holds[one]
        sums[0] *= shares[:, one]
    players = len(others) + 1
    weights = [factorial(k) * factorial(players - 1 - k) / factorial(players) for k in range(players)]
    return np.asarray(np.tensordot(weights, sums, axes=1), dtype=np.float64)
