"""Exact global SHAP importance of a model."""

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle


def global_importance(bundle: Bundle, matrix: NDArray[np.float64], rows: int, seed: int) -> dict[str, float]:
    """Mean absolute contribution to the margin by feature, strongest first, over a seeded sample of clients."""
    if matrix.shape[0] > rows:
        matrix = matrix[np.random.default_rng(seed).choice(matrix.shape[0], rows, replace=False)]
    strength = np.abs(bundle.contributions(matrix)[:, :-1]).mean(axis=0)
    order = np.argsort(-strength, kind="stable")
    return {bundle.contract.names[at]: float(strength[at]) for at in order}
