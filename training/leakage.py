"""Refuses data that knows the label."""

import numpy as np
from numpy.typing import NDArray

from credit.errors import TrainingError
from credit.metrics import auc


def refuse_leaks(matrix: NDArray[np.float64], labels: NDArray[np.int64], names: tuple[str, ...], limit: float) -> None:
    """Refuse data in which one column, or its absence, nearly tells the label.

    Raises:
        TrainingError: names every such column with its AUC.
    """
    found = {name: _separation(matrix[:, at], labels) for at, name in enumerate(names)}
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
    if known.size and known.min() < known.max():
        values.append(auc(known, column[present]))
    return max(max(value, 1 - value) for value in values)
