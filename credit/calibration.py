"""Calibration: a strictly increasing, piecewise linear map from margin to calibrated log-odds, as plain numbers.

Platt scaling is the map with one knot; isotonic regression has one knot per block, joined by straight lines so that
a better margin means a better probability, to within the last bit. Only IEEE additions, multiplications and
divisions are used, no library exponential: a margin gives the same bits alone, in a batch and on another machine.
"""

import itertools
import math
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from credit.schemas.features import Frozen

Column = NDArray[np.float64]

#: Calibrated log-odds are held within these bounds: beyond them a float cannot tell the probability from 0 or 1.
LOG_ODDS_BOUND = 30.0

# exp(x) = 2^k exp(r) with |r| <= ln(2) / 2; ln(2) in two parts keeps r exact (Cody and Waite, 1980).
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_EXP_SERIES = tuple(1 / math.factorial(power) for power in range(13, -1, -1))


class Calibration(Frozen):
    """Knots of the map; outside them it goes on with the given slopes."""

    method: Literal["platt", "isotonic"]
    margins: tuple[float, ...]
    log_odds: tuple[float, ...]
    slope_below: float
    slope_above: float

    @model_validator(mode="after")
    def _check(self) -> Self:
        numbers = (*self.margins, *self.log_odds, self.slope_below, self.slope_above)
        if not self.margins or len(self.margins) != len(self.log_odds) or not all(map(math.isfinite, numbers)):
            raise ValueError("calibration needs equally many finite margins and log-odds, at least one")
        if not _rises(self.margins) or not _rises(self.log_odds) or min(self.slope_below, self.slope_above) <= 0:
            raise ValueError("calibration must rise strictly")
        return self

    @classmethod
    def platt(cls, slope: float, intercept: float) -> Self:
        """Log-odds = slope x margin + intercept (Platt, 1999)."""
        return cls(method="platt", margins=(0.0,), log_odds=(intercept,), slope_below=slope, slope_above=slope)

    def probability(self, margins: Column) -> Column:
        """Calibrated probabilities of default, strictly inside (0, 1), of margins of shape (n,)."""
        starts, log_odds, slopes = self._segments
        segment = np.searchsorted(starts[1:], margins, side="right")
        calibrated = log_odds[segment] + slopes[segment] * (margins - starts[segment])
        return logistic(np.clip(calibrated, -LOG_ODDS_BOUND, LOG_ODDS_BOUND))

    def margin(self, probability: float) -> float | None:
        """The margin of one calibrated probability, to within rounding; None where no margin reaches it."""
        log_odds = math.log(probability) - math.log1p(-probability) if 0 < probability < 1 else math.inf
        if abs(log_odds) > LOG_ODDS_BOUND:
            return None
        starts, values, slopes = self._segments
        segment = int(np.searchsorted(values[1:], log_odds, side="right"))
        return float(starts[segment] + (log_odds - values[segment]) / slopes[segment])

    @cached_property
    def _segments(self) -> tuple[Column, Column, Column]:
        """Origin, value and slope of each straight piece; the piece below the first knot shares its origin."""
        margins, log_odds = np.array(self.margins), np.array(self.log_odds)
        inner = np.diff(log_odds) / np.diff(margins)
        slopes = np.concatenate([[self.slope_below], inner, [self.slope_above]])
        return np.concatenate([margins[:1], margins]), np.concatenate([log_odds[:1], log_odds]), slopes


def logistic(log_odds: Column) -> Column:
    """1 / (1 + exp(-x)), the same bits on every IEEE machine, for x of shape (n,) within +-700."""
    probability: Column = 1.0 / (1.0 + _exp(-log_odds))
    return probability


def _exp(exponent: Column) -> Column:
    doublings = np.rint(exponent * (1 / math.log(2)))
    rest = (exponent - doublings * _LN2_HIGH) - doublings * _LN2_LOW
    series = np.full_like(rest, _EXP_SERIES[0])
    for coefficient in _EXP_SERIES[1:]:
        series = series * rest + coefficient
    scaled: Column = np.ldexp(series, doublings.astype(np.int64))
    return scaled


def _rises(numbers: tuple[float, ...]) -> bool:
    return all(low < high for low, high in itertools.pairwise(numbers))
