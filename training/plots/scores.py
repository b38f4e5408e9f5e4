"""Score distribution: the points of payers and of defaulters."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.plots.style import MODEL, QUIET, RISK, canvas, heading, percents
from training.report import ModelReport
from training.wording import with_interval


def scores(report: ModelReport) -> Figure:
    """Share of each outcome by points, with the risk bands and the threshold in force."""
    figure, axes = canvas(8.0, 5.2)
    points = report.policy.points_of(report.probabilities)
    bars = int(np.clip(2 * np.sqrt(report.labels.sum()), 12, 60))
    edges = np.linspace(points.min(), max(points.max(), points.min() + 1), bars + 1).tolist()
    defaulted = report.labels == 1
    for members, color, label in ((~defaulted, MODEL, "payers"), (defaulted, RISK, "defaulters")):
        weights = np.full(int(members.sum()), 1 / max(int(members.sum()), 1))
        axes.hist(points[members], bins=edges, weights=weights, color=color, alpha=0.55, label=label)
    at = float(report.policy.points_of(np.array([report.policy.threshold]))[0])
    axes.axvline(at, color="black", linewidth=1.5, label=f"refused at or below {at:.0f} points")
    _bands(axes, report, edges[0], edges[-1])
    scale = report.policy.points
    axes.set_xlabel(
        f"points ({scale.base:g} where {scale.odds:g} pay for one who defaults; {scale.doubling:g} more double that)"
    )
    axes.set_ylabel("share of the payers, of the defaulters")
    axes.set_xlim(edges[0], edges[-1])
    percents(axes.yaxis)
    heading(axes, f"Points by outcome: KS {with_interval(report.metrics, 'ks')}", report)
    axes.legend(loc="upper left", frameon=False)
    return figure


def _bands(axes: Axes, report: ModelReport, lowest: float, highest: float) -> None:
    cuts = report.policy.points_of(np.array(report.policy.bands.cuts)).tolist()
    ends = [highest, *cuts, lowest]
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    for name, upper, lower in zip(report.policy.bands.names, ends[:-1], ends[1:], strict=True):
        upper, lower = min(upper, highest), max(lower, lowest)
        if lower > lowest:
            axes.axvline(lower, color=QUIET, linewidth=0.8, linestyle=":")
        if upper > lower:
            axes.text(
                (upper + lower) / 2,
                0.985,
                name,
                transform=axes.get_xaxis_transform(),
                va="top",
                ha="center",
                color=QUIET,
                fontweight="bold",
            )
