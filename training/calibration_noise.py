"""How large a calibration error chance alone makes: the yardstick for the ECE of a model on few clients."""

import numpy as np
from numpy.typing import NDArray

#: Simulated outcomes that are held in memory at once.
_AT_ONCE = 2_000_000


def calibrated_ece_quantile(
    probabilities: NDArray[np.float64], bins: int = 10, replicates: int = 500, seed: int = 0, quantile: float = 0.95
) -> float:
    """The quantile of the ECE that a model with these probabilities would show if every one of them were true.

    Outcomes are drawn from the probabilities, clients stay the same; an ECE above the 95th percentile is more than
    chance.

    Args:
        probabilities: shape (n,).
        bins: of equal mass, as in `credit.metrics.expected_calibration_error`.
        replicates: simulated sets of outcomes.
        seed: of the outcomes.
        quantile: within (0, 1).
    """
    ranked = np.sort(probabilities)
    parts = np.array_split(np.arange(ranked.size), min(bins, ranked.size))
    starts = np.array([part[0] for part in parts])
    expected = np.add.reduceat(ranked, starts)
    rng = np.random.default_rng(seed)
    errors = []
    at_once = max(1, _AT_ONCE // ranked.size)
    for first in range(0, replicates, at_once):
        shape = (min(at_once, replicates - first), ranked.size)
        defaults = np.add.reduceat(rng.random(shape) < ranked, starts, axis=1, dtype=np.int64)
        errors.append(np.abs(defaults - expected).sum(axis=1) / ranked.size)
    return float(np.quantile(np.concatenate(errors), quantile))
