"""Risk bands: how many are in each, and how many of them default."""

import numpy as np
from matplotlib.figure import Figure

from training.plots.style import MODEL, RISK, canvas, heading, percents
from training.report import ModelReport
from training.wording import percent, points_range


def risk_bands(report: ModelReport) -> Figure:
    """Default rate with interval and mean probability of each band."""
    figure, axes = canvas(7.6, 5.2)
    bands = [band for band in report.bands if band.clients]
    at = np.arange(len(bands), dtype=np.float64)
    rates = np.array([band.default_rate.value for band in bands])
    low = np.array([band.default_rate.low for band in bands])
    high = np.array([band.default_rate.high for band in bands])
    axes.bar(at, rates, width=0.6, color=MODEL, alpha=0.75, label="default rate, with 95 % interval")
    spread = np.maximum(np.stack([rates - low, high - rates]), 0)
    axes.errorbar(at, rates, yerr=spread, fmt="none", ecolor="black", capsize=4)
    means = [band.mean_probability for band in bands]
    axes.plot(at, means, marker="D", linestyle="none", color=RISK, label="mean probability of default")
    for place, rate, end in zip(at, rates, np.maximum(high, means), strict=True):
        axes.text(place, end, f"{percent(rate)}\n", ha="center", va="bottom", fontsize=10, linespacing=0.7)
    labels = [
        f"{band.name}\n{points_range(band.points)} points\n{band.clients:,} clients\n{percent(band.share, 0)} of all"
        for band in bands
    ]
    axes.set_xticks(at, labels)
    axes.set(xlabel="risk band", ylabel="share who default", ylim=(0, float(high.max()) * 1.15))
    axes.grid(visible=False, axis="x")
    percents(axes.yaxis)
    heading(axes, f"Risk bands: {_order(report)}", report)
    axes.legend(loc="upper left", frameon=False)
    return figure


def _order(report: ModelReport) -> str:
    rises = report.metrics.get("bands_in_order")
    return (
        "default rate by band" if rises is None else f"default rates {'rise' if rises else 'do NOT rise'} band by band"
    )
