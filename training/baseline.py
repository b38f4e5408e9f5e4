"""The logistic regression that the trees have to beat, on the same features and clients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from credit.schemas.features import FeatureContract
from training.prepare import Prepared

Matrix = NDArray[np.float64]
#: Half the memory of double precision, and more than a ranked input needs.
Encoded = NDArray[np.float32]

_QUANTILES = 101
#: Categories and missing patterns of fewer training clients get no indicator of their own.
_FEWEST = 20
#: Inverse L2 strength.
_STRENGTH = 0.02


def baseline_probabilities(prepared: Prepared, *, most_rows: int, seed: int, part: str = "test") -> Matrix:
    """Probabilities of default of one part, by a logistic regression fitted on the training part.

    Args:
        prepared: data.
        most_rows: a seeded sample of so many training clients at most.
        seed: of the sample.
        part: of the split.
    """
    rows = prepared.split.train
    if rows.size > most_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most_rows, replace=False))
    encoding = Encoding.learn(prepared.contract, prepared.matrix, rows)
    # Newton's method: with far more clients than columns, a few exact steps beat hundreds of cheap ones.
    model = LogisticRegression(C=_STRENGTH, solver="newton-cholesky", max_iter=50, tol=1e-4)
    model.fit(encoding.encode(prepared.matrix, rows), prepared.dataset.labels[rows])
    asked = getattr(prepared.split, part)
    probabilities: Matrix = model.predict_proba(encoding.encode(prepared.matrix, asked))[:, 1].astype(np.float64)
    # Single precision rounds far-off clients to 0 and 1, whose log-odds do not exist.
    return np.clip(probabilities, 1e-7, 1 - 1e-7)


@dataclass(frozen=True, slots=True)
class Encoding:
    """Ranks for numbers, indicators for categories and for missing values: robust to the heavy tails of amounts.

    Attributes:
        numbers: column and the quantiles of its training values.
        missing: columns whose missing values get an indicator, one for all columns with the same pattern.
        categories: column and code of each indicator.
    """

    numbers: tuple[tuple[int, Matrix], ...]
    missing: tuple[int, ...]
    categories: tuple[tuple[int, float], ...]

    @classmethod
    def learn(cls, contract: FeatureContract, matrix: Matrix, rows: NDArray[np.intp]) -> "Encoding":
        """The encoding of training rows of `matrix`, shape (n, f)."""
        numbers: list[tuple[int, Matrix]] = []
        patterns: dict[bytes, int] = {}
        categories: list[tuple[int, float]] = []
        for at, feature in enumerate(contract.features):
            values = matrix[rows, at]
            absent = np.isnan(values)
            if _FEWEST <= absent.sum() <= values.size - _FEWEST:
                patterns.setdefault(np.packbits(absent).tobytes(), at)
            if feature.kind == "categorical":
                codes, counts = np.unique(values[~absent], return_counts=True)
                categories += [(at, float(code)) for code in codes[counts >= _FEWEST]]
            elif not absent.all():
                knots = np.unique(np.quantile(values[~absent], np.linspace(0, 1, _QUANTILES)))
                numbers.append((at, knots))
        return cls(tuple(numbers), tuple(patterns.values()), tuple(categories))

    def encode(self, matrix: Matrix, rows: NDArray[np.intp]) -> Encoded:
        """Inputs of the regression: ranks within -0.5 and 0.5, 0 where missing, then the indicators."""
        width = len(self.numbers) + len(self.missing) + len(self.categories)
        encoded = np.empty((rows.size, width), dtype=np.float32, order="F")
        column = iter(range(width))
        for at, knots in self.numbers:
            place = np.linspace(-0.5, 0.5, knots.size) if knots.size > 1 else np.zeros(1)
            encoded[:, next(column)] = np.nan_to_num(np.interp(matrix[rows, at], knots, place))
        for at in self.missing:
            encoded[:, next(column)] = np.isnan(matrix[rows, at])
        for at, code in self.categories:
            encoded[:, next(column)] = matrix[rows, at] == code
        return encoded
