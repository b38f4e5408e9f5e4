"""Refuses data that knows the label."""

import numpy as np
from numpy.typing import NDArray

from credit.errors import TrainingError
from credit.metrics import auc
from credit.schemas.features import FeatureContract

#: Of fewer defaulters or payers with a value, chance alone can put all on one side.
_FEWEST = 30


def refuse_leaks(
    matrix: NDArray[np.float64], labels: NDArray[np.int64], contract: FeatureContract, limit: float
) -> None:
    """Refuse data in which one column, or its absence, nearly tells the label.

    Args:
        matrix: encoded features in the contract's order, shape (n, f).
        labels: 0 or 1, shape (n,).
        contract: tells numbers from categories.
        limit: the AUC above which a column counts as leaked.

    Raises:
        TrainingError: names every such column with its AUC.
    """
    found = {
        feature.name: _separation(
            matrix[:, at] if feature.kind == "numeric" else _learned_risk(matrix[:, at], labels), labels
        )
        for at, feature in enumerate(contract.features)
    }
    leaks = [f"{name} (AUC {value:.3f})" for name, value in found.items() if value > limit]
    if leaks:
        raise TrainingError(
            f"these columns tell the label almost alone, which only leaked ones do: {', '.join(leaks)}; "
            "remove them from the feature service"
        )


def _separation(column: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    present = ~np.isnan(column)
    values = [auc(labels, present.astype(np.float64))]
    known = labels[present]
    needed = min(_FEWEST, int(labels.sum()) // 2)
    if known.size and min(known.sum(), known.size - known.sum()) >= max(needed, 1):
        values.append(auc(known, column[present]))
    return max(max(value, 1 - value) for value in values)


def _learned_risk(codes: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each client's category as the default rate of that category among the other half of the clients.

    A category is no number: its code can hide the label from a ranking. Rates of the client's own half would show
    every rare category as a leak.
    """
    category = np.nan_to_num(codes, nan=-1.0).astype(np.int64) + 1
    half = np.arange(labels.size) % 2
    rates = np.empty((2, int(category.max()) + 1))
    for other in (0, 1):
        chosen = half == other
        counts = np.bincount(category[chosen], minlength=rates.shape[1])
        defaults = np.bincount(category[chosen], weights=labels[chosen], minlength=rates.shape[1])
        rates[other] = (defaults + labels.mean()) / (counts + 1)
    risk: NDArray[np.float64] = rates[1 - half, category]
    return risk
