"""Cost curve: what the decisions cost over every threshold."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from credit.cost import CostCurve, cost_curve
from training.plots.style import GOOD, MODEL, OTHER, QUIET, RISK, canvas, heading, percents
from training.report import ModelReport
from training.wording import with_interval

_DRAWN = 2_000


def cost(report: ModelReport) -> Figure:
    """Cost per client on the test, the threshold in force, and the cut that was cheapest on the calibration part."""
    figure, axes = canvas(7.6, 5.8)
    clients, costs, check = report.labels.size, report.policy.costs, report.threshold
    curve = cost_curve(costs, report.labels, report.probabilities)
    thresholds, values = thinned(curve, _DRAWN)
    axes.plot(thresholds, values / clients, color=MODEL, linewidth=2, label="model")
    if report.baseline is not None:
        thresholds, values = thinned(cost_curve(costs, report.labels, report.baseline), _DRAWN)
        axes.plot(thresholds, values / clients, color=OTHER, linewidth=1, label="logistic regression")
    rate = float(report.labels.mean())
    approve, refuse = costs.false_negative * rate, costs.false_positive * (1 - rate)
    axes.axhline(approve, color=QUIET, linestyle="--", label=f"approve everybody: {approve:.3f}")
    axes.axhline(refuse, color=QUIET, linestyle=":", label=f"refuse everybody: {refuse:.3f}")
    axes.axvspan(check.cheapest.low, check.cheapest.high, color=GOOD, alpha=0.18, linewidth=0)
    label = f"cheapest on the calibration part: {check.cheapest.value:.4f}, with interval"
    axes.axvline(check.cheapest.value, color=GOOD, linestyle="--", label=label)
    axes.axvline(check.threshold, color=RISK, label=f"threshold in force: {check.threshold:.4f}")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlim=_limits(report), ylim=(0, max(approve, refuse) * 1.15))
    axes.set(xlabel="threshold: refused at this probability of default or above", ylabel="cost per client")
    percents(axes.xaxis)
    weights = f"; a default costs {costs.false_negative:g}, a lost payer {costs.false_positive:g}"
    heading(axes, f"Cost per client {with_interval(report.metrics, 'cost')}", report, weights)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def thinned(curve: CostCurve, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds and costs of at most `points` + 1 cuts, the cheapest among them."""
    kept = np.linspace(0, curve.costs.size - 1, min(points, curve.costs.size)).astype(np.intp)
    kept = np.union1d(kept, [np.argmin(curve.costs)])
    return curve.thresholds[kept], curve.costs[kept]


def _limits(report: ModelReport) -> tuple[float, float]:
    lowest = min(float(report.probabilities.min()), report.threshold.cheapest.low, report.policy.threshold)
    return max(lowest, 1e-4) / 1.2, 1.0
