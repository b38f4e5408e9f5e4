"""Figures as people read them."""

from collections.abc import Mapping, Sequence

from training.bootstrap import Interval
from training.fairness import GroupFigures


def with_interval(metrics: Mapping[str, float], name: str, digits: int = 3) -> str:
    """Such as "0.790 (0.783 to 0.797)"; without the interval where the metrics hold none."""
    value = f"{metrics[name]:.{digits}f}"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return value if low is None or high is None else f"{value} ({low:.{digits}f} to {high:.{digits}f})"


def percent(share: float | None, digits: int = 1) -> str:
    """Such as "7.9 %"; a dash where there is nothing to count."""
    return "–" if share is None or share != share else f"{100 * share:.{digits}f} %"


def percent_interval(share: Interval, digits: int = 1) -> str:
    """Such as "7.9 % (7.2 to 8.6)"."""
    if share.value != share.value:
        return "–"
    return f"{percent(share.value, digits)} ({100 * share.low:.{digits}f} to {100 * share.high:.{digits}f})"


def in_reading_order(groups: Sequence[GroupFigures]) -> list[GroupFigures]:
    """The youngest first, the unknown last, others by name."""
    return sorted(groups, key=lambda one: (not one.group.startswith("below "), one.group == "unknown", one.group))


def points_range(ends: tuple[float | None, float | None]) -> str:
    """Such as "572 to 599", "above 599", "up to 527"."""
    low, high = ends
    if low is None:
        return "any" if high is None else f"up to {high:.0f}"
    return f"above {low:.0f}" if high is None else f"{low:.0f} to {high:.0f}"
