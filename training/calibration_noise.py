"""How far from perfect a perfectly calibrated model looks on few clients."""

import numpy as np
from numpy.typing import NDArray

#: Most random numbers held at once.
_DRAWS = 4_000_000


def calibrated_ece_quantile(
    probabilities: NDArray[np.float64],
    bins: int = 10,
    replicates: int = 1_000,
    seed: int = 0,
    quantile: float = 0.95,
) -> float:
    """The quantile of the ECE of a calibrated model: outcomes are drawn from the probabilities themselves.

    Args:
        probabilities: of n clients, shape (n,).
        bins: of equal mass, as in `credit.metrics.expected_calibration_error`.
        replicates: number of simulated outcomes of all clients.
        seed: of the draws.
        quantile: share of simulated errors below the answer.
    """
    ranked = np.sort(probabilities, kind="stable")
    parts = np.array_split(np.arange(ranked.size), min(bins, ranked.size))
    starts = np.array([part[0] for part in parts])
    expected = np.add.reduceat(ranked, starts)
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWS // ranked.size)
    errors = [
        _errors(ranked, starts, expected, rng.random((min(at_once, replicates - done), ranked.size)))
        for done in range(0, replicates, at_once)
    ]
    return float(np.quantile(np.concatenate(errors), quantile))


def _errors(
    ranked: NDArray[np.float64], starts: NDArray[np.intp], expected: NDArray[np.float64], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """ECE of each of r simulated outcomes, from uniform draws of shape (r, n)."""
    observed = np.add.reduceat((draws < ranked).astype(np.float64), starts, axis=1)
    errors: NDArray[np.float64] = np.abs(observed - expected).sum(axis=1) / ranked.size
    return errors
