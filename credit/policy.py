"""From a calibrated probability of default to a decision, a risk band and points."""

from bisect import bisect_right
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from credit.cost import CostMatrix
from credit.points import PointsScale
from credit.schemas.decision import Decision
from credit.schemas.features import Frozen


class RiskBands(Frozen):
    """Letters from best to worst, parted by probabilities: a band starts at its cut, inclusive."""

    names: tuple[str, ...] = ("A", "B", "C", "D", "E")
    cuts: tuple[float, ...] = (0.02, 0.05, 0.10, 0.20)

    @model_validator(mode="after")
    def _check(self) -> Self:
        ascending = all(low < high for low, high in pairwise(self.cuts))
        if len(self.names) != len(self.cuts) + 1 or not ascending or not all(0 < cut < 1 for cut in self.cuts):
            raise ValueError("risk bands need one more name than cuts, and cuts that rise within (0, 1)")
        return self

    def band(self, probability: float) -> str:
        """The band of one probability."""
        return self.names[bisect_right(self.cuts, probability)]

    def positions(self, probabilities: NDArray[np.float64]) -> NDArray[np.intp]:
        """The position in `names` of each probability's band, shape (n,)."""
        return np.searchsorted(np.array(self.cuts), probabilities, side="right")


class DecisionPolicy(Frozen):
    """How a model version decides: refuse at or above the threshold."""

    threshold: float = Field(gt=0, lt=1)
    costs: CostMatrix
    bands: RiskBands = RiskBands()
    points: PointsScale = PointsScale()

    def decide(self, probability: float) -> Decision:
        """Approve or refuse one calibrated probability."""
        return Decision.REFUSED if probability >= self.threshold else Decision.APPROVED

    def points_of(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scorecard points of calibrated probabilities, of the same shape."""
        return self.points.points(probabilities)
