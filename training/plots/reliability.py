"""Reliability curve: whether as many default as were said to."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from credit import metrics
from training.plots.style import MODEL, QUIET, RISK, frame, heading, root_scale
from training.report import ModelReport
from training.wording import with_interval


def reliability(report: ModelReport) -> Figure:
    """Default rate against mean probability in ten bins of equal mass, and where the probabilities lie."""
    figure = Figure(figsize=(7.0, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=[3.4, 1])
    curve, histogram = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    top = _curve(curve, report)
    _histogram(histogram, report, top)
    title = f"Calibration: ECE {with_interval(report.metrics, 'ece', 4)}"
    heading(curve, title, report, _noise(report))
    return figure


def _curve(axes: Axes, report: ModelReport) -> float:
    predicted, observed, share = metrics.reliability(report.labels, report.probabilities).T
    clients = np.rint(share * report.labels.size).astype(np.int64)
    low, high = metrics.wilson_interval(np.rint(observed * clients).astype(np.int64), clients)
    top = float(max(predicted.max(), high.max())) * 1.08
    frame(axes)
    for which in ("x", "y"):
        root_scale(axes, which)
    axes.plot([0, top], [0, top], linestyle=":", color=QUIET, label="perfect")
    spread = np.maximum(np.stack([observed - low, high - observed]), 0)
    label = "a tenth of the clients each, with 95 % interval"
    axes.errorbar(predicted, observed, yerr=spread, fmt="o", color=MODEL, capsize=3, label=label)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="mean probability of default", ylabel="default rate")
    axes.legend(loc="upper left", frameon=False)
    return top


def _histogram(axes: Axes, report: ModelReport, top: float) -> None:
    frame(axes)
    root_scale(axes, "x")
    edges = np.linspace(0, np.sqrt(top), 61) ** 2
    axes.hist(np.minimum(report.probabilities, top), bins=edges.tolist(), color=MODEL)
    axes.axvline(report.policy.threshold, color=RISK, label=f"threshold {report.policy.threshold:.4f}")
    axes.set(xlim=(0, top), xlabel="probability of default (last bar: and above)", ylabel="clients")
    axes.legend(loc="upper right", frameon=False)


def _noise(report: ModelReport) -> str:
    chance = report.metrics.get("ece_calibrated_p95")
    return "" if chance is None else f"; chance alone makes up to {chance:.4f}"
