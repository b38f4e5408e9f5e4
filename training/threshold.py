"""Checks the threshold in force against the cheapest cut of the calibration part."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.cost import cost_curve, cut_costs
from credit.policy import DecisionPolicy
from training.bootstrap import Column, Interval, Labels, cost_figure, difference, intervals


@dataclass(frozen=True, slots=True)
class ThresholdCheck:
    """What the threshold costs more than the cut that turned out cheapest.

    Attributes:
        threshold: in force.
        expected: cost_fp / (cost_fp + cost_fn), the best one for calibrated probabilities.
        cheapest: the cheapest cut of these clients, with the interval of the best cut over resamples.
        extra_cost: cost per client at the threshold minus that at the cheapest cut, both held fixed over resamples.
    """

    threshold: float
    expected: float
    cheapest: Interval
    extra_cost: Interval

    @classmethod
    def from_figures(cls, metrics: Mapping[str, float]) -> "ThresholdCheck | None":
        """The check that a bundle's metrics hold, if they hold one."""
        if "threshold_cheapest" not in metrics:
            return None
        cheapest, extra = (
            Interval(*(metrics[f"threshold_{name}{end}"] for end in ("", "_low", "_high")))
            for name in ("cheapest", "extra_cost")
        )
        return cls(metrics["threshold"], metrics["threshold_expected"], cheapest, extra)

    @property
    def holds(self) -> bool:
        """Whether data gives no reason to move the threshold."""
        return self.cheapest.low <= self.threshold <= self.cheapest.high or self.extra_cost.low <= 0

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        inside = "inside" if self.cheapest.low <= self.threshold <= self.cheapest.high else "outside"
        advice = "it stays" if self.holds else "check calibration and costs before this model decides"
        return (
            f"The threshold {self.threshold:.4f} lies {inside} the interval of the cheapest cut "
            f"({self.cheapest.low:.4f} to {self.cheapest.high:.4f}) and costs {self.extra_cost.value:.4f} per client "
            f"more than it ({self.extra_cost.low:.4f} to {self.extra_cost.high:.4f}): {advice}."
        )

    def figures(self) -> dict[str, float]:
        """For the metrics of a bundle; `threshold_holds` is 1 or 0."""
        return {
            "threshold": self.threshold,
            "threshold_expected": self.expected,
            "threshold_cheapest": self.cheapest.value,
            "threshold_cheapest_low": self.cheapest.low,
            "threshold_cheapest_high": self.cheapest.high,
            "threshold_extra_cost": self.extra_cost.value,
            "threshold_extra_cost_low": self.extra_cost.low,
            "threshold_extra_cost_high": self.extra_cost.high,
            "threshold_holds": float(self.holds),
        }


def check_threshold(
    policy: DecisionPolicy, labels: Labels, probabilities: Column, *, replicates: int = 500, seed: int = 0
) -> ThresholdCheck:
    """Judge the policy's threshold on the clients that the model was calibrated on.

    Args:
        policy: threshold and costs.
        labels: 0 or 1, shape (n,).
        probabilities: calibrated, shape (n,).
        replicates: resamples.
        seed: of the resamples.
    """
    curve = cost_curve(policy.costs, labels, probabilities)
    ranked = labels[curve.order]

    def cheapest(weights: NDArray[np.int64]) -> float:
        costs = cut_costs(policy.costs, ranked, weights[curve.order])[curve.refused]
        return float(curve.thresholds[np.argmin(costs)])

    best = cheapest(np.ones(labels.size, dtype=np.int64))
    in_force = cost_figure(policy.costs, labels, probabilities, policy.threshold)
    extra = difference(in_force, cost_figure(policy.costs, labels, probabilities, best))
    found = intervals({"cheapest": cheapest, "extra": extra}, labels.size, replicates=replicates, seed=seed)
    return ThresholdCheck(policy.threshold, policy.costs.bayes_threshold, found["cheapest"], found["extra"])
