"""From a calibrated probability of default to a decision and a risk band."""

from bisect import bisect_right
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from credit.cost import CostMatrix
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


class DecisionPolicy(Frozen):
    """How a model version decides: refuse at or above the threshold."""

    threshold: float = Field(gt=0, lt=1)
    costs: CostMatrix
    bands: RiskBands = RiskBands()

    def decide(self, probability: float) -> Decision:
        """Approve or refuse one calibrated probability."""
        return Decision.REFUSED if probability >= self.threshold else Decision.APPROVED
