"""Scorecard points: the calibrated probability of default on the scale that credit officers read.

Points rise by a fixed step each time the odds of paying double (Siddiqi, 2006). Only IEEE additions, multiplications
and divisions are used, no library logarithm: a probability gives the same bits alone, in a batch and elsewhere.
"""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from credit.schemas.features import Frozen

Column = NDArray[np.float64]

# ln(2) in two parts: the first times any exponent of a float is exact (Cody and Waite, 1980).
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# ln(m) = 2 (s + s^3/3 + s^5/5 ...), s = (m - 1) / (m + 1); |s| <= 0.172 for m within sqrt(1/2) and sqrt(2).
_LOG_SERIES = tuple(2 / power for power in range(25, 0, -2))


class PointsScale(Frozen):
    """`base` points at `odds` payers to one defaulter, `doubling` more points each time the odds double."""

    base: float = Field(default=600.0, allow_inf_nan=False)
    odds: float = Field(default=50.0, gt=0, allow_inf_nan=False)
    doubling: float = Field(default=20.0, gt=0, allow_inf_nan=False)

    def points(self, probabilities: Column) -> Column:
        """Points of probabilities of default strictly inside (0, 1), of any shape; fewer points mean more risk."""
        odds = (1.0 - probabilities) / probabilities
        doublings = (_log(odds) - _log(np.float64(self.odds))) * (1 / math.log(2))
        points: Column = self.base + self.doubling * doublings
        return points


def _log(values: Column | np.float64) -> Column:
    """Natural logarithm of positive numbers."""
    fraction, exponent = np.frexp(values)
    small = fraction < math.sqrt(0.5)
    fraction, exponent = np.where(small, fraction * 2, fraction), exponent - small
    ratio = (fraction - 1) / (fraction + 1)
    square = ratio * ratio
    series = np.full_like(square, _LOG_SERIES[0])
    for coefficient in _LOG_SERIES[1:]:
        series = series * square + coefficient
    logarithm: Column = exponent * _LN2_HIGH + (ratio * series + exponent * _LN2_LOW)
    return logarithm
