"""The service level objective of scores by id, judged on what was counted. Knows nothing of Locust."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """Limits: milliseconds for half and for 99 of 100 scores by id, and the share of wrong answers of any kind."""

    p50: float
    p99: float
    errors: float


@dataclass(frozen=True)
class Reached:
    """The same figures as they were, and the number of scores by id that they are about."""

    scores: int
    p50: float
    p99: float
    errors: float

    @classmethod
    def of(cls, times: Mapping[float, int], errors: float) -> "Reached":
        """Figures of a run.

        Args:
            times: number of scores by id that took so many milliseconds.
            errors: share of wrong answers among all.
        """
        return cls(sum(times.values()), percentile(times, 0.50), percentile(times, 0.99), errors)

    def missed(self, objective: Objective) -> list[str]:
        """What misses the objective, for people; nothing was reached if nothing was scored."""
        if not self.scores:
            return ["no client was scored"]
        found = (
            ("p50", self.p50, objective.p50, "ms"),
            ("p99", self.p99, objective.p99, "ms"),
            ("errors", self.errors * 100, objective.errors * 100, "%"),
        )
        return [f"{name} {was:g} {unit} > {limit:g} {unit}" for name, was, limit, unit in found if was > limit]


def percentile(times: Mapping[float, int], share: float) -> float:
    """The shortest time that `share` of all did not exceed; 0 of none."""
    needed, so_far = share * sum(times.values()), 0
    for time in sorted(times):
        so_far += times[time]
        if so_far >= needed:
            return time
    return 0.0
