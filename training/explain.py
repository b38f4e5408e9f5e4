"""Exact SHAP values of a seeded sample of clients, by model feature and by business feature."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.explanations import BusinessContributions, fold_contributions, importance


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why n clients got their margins.

    Attributes:
        names: of the f model features.
        categorical: which of them hold codes, whose size means nothing, shape (f,).
        values: what the model ate, shape (n, f).
        contributions: margin units, shape (n, f + 1); the last column is the base value.
        business: the same by business feature.
    """

    names: tuple[str, ...]
    categorical: NDArray[np.bool_]
    values: NDArray[np.float64]
    contributions: NDArray[np.float64]
    business: BusinessContributions

    def importance(self) -> dict[str, float]:
        """Mean absolute contribution by model feature, strongest first."""
        return importance(self.names, self.contributions[:, :-1])


def explain(bundle: Bundle, matrix: NDArray[np.float64], rows: int, seed: int) -> Explanation:
    """Explain a seeded sample of at most `rows` clients of `matrix`, shape (n, f)."""
    sample = _sample(matrix, rows, seed)
    contributions = bundle.contributions(sample)
    return Explanation(
        names=bundle.contract.names,
        categorical=np.array([feature.kind == "categorical" for feature in bundle.contract.features]),
        values=sample,
        contributions=contributions,
        business=fold_contributions(contributions, bundle.contract.names, bundle.reason_texts),
    )


def global_importance(bundle: Bundle, matrix: NDArray[np.float64], rows: int, seed: int) -> dict[str, float]:
    """Mean absolute contribution to the margin by feature, strongest first, over a seeded sample of clients."""
    return explain(bundle, matrix, rows, seed).importance()


def _sample(matrix: NDArray[np.float64], rows: int, seed: int) -> NDArray[np.float64]:
    if matrix.shape[0] <= rows:
        return matrix
    return matrix[np.random.default_rng(seed).choice(matrix.shape[0], rows, replace=False)]
