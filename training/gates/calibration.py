"""The gate `calibration`: probabilities that mean what they say, as far as this many clients can tell."""

import numpy as np
from numpy.typing import NDArray

from credit.metrics import expected_calibration_error
from training.calibration_noise import calibrated_ece_quantile
from training.gates.report import Gate
from training.gates.settings import GateSettings

BINS = 10
#: Two-sided 99.9 % of a normal distribution.
Z_999 = 3.2905


def calibration_gate(labels: NDArray[np.int64], probabilities: NDArray[np.float64], settings: GateSettings) -> Gate:
    """ECE, and mean probability against the default rate; each passes within its limit or within chance.

    Args:
        labels: 0 or 1, shape (n,).
        probabilities: calibrated, shape (n,).
        settings: limits.
    """
    error = expected_calibration_error(labels, probabilities, BINS)
    share = settings.calibration_quantile
    noise = calibrated_ece_quantile(probabilities, BINS, seed=settings.seed, quantile=share)
    limit = max(settings.calibration_error, noise)
    gap = float(probabilities.mean() - labels.mean())
    gap_limit = max(settings.mean_gap, sampling_bound(probabilities))
    passed = error <= limit and abs(gap) <= gap_limit
    return Gate(
        name="calibration",
        passed=passed,
        figure=error,
        limit=limit,
        sentence=(
            f"ECE {error:.5f}, at most {limit:.5f} ({share:.0%} of calibrated models stay below {noise:.5f} on "
            f"{labels.size:,} clients); mean PD {probabilities.mean():.4f} against a default rate of "
            f"{labels.mean():.4f}, at most {gap_limit:.4f} apart: {'both hold' if passed else 'not both hold'}"
        ),
        details={"mean_gap": gap, "mean_gap_limit": gap_limit, "ece_of_a_calibrated_model": noise},
    )


def sampling_bound(probabilities: NDArray[np.float64]) -> float:
    """How far the default rate of n clients strays from their mean probability in 99.9 % of samples."""
    return float(Z_999 * np.sqrt(np.sum(probabilities * (1 - probabilities))) / probabilities.size)
