"""Fairness: how groups of people fare, beside everybody."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from credit.metrics import wilson_interval
from training.fairness import FairnessReport, GroupFigures
from training.plots.style import GRID, MODEL, QUIET, RISK, frame, heading, percents
from training.report import ModelReport
from training.wording import in_reading_order


@dataclass(frozen=True, slots=True)
class _Row:
    """One group at a height of the picture; `events` and `among` by panel."""

    height: float
    group: GroupFigures
    judged: bool

    def counts(self, panel: str) -> tuple[int, int]:
        """How many of how many: the share of a panel as a fraction."""
        group = self.group
        payers = group.clients - group.defaults
        share, among = {
            "approved": (group.approval_rate, group.clients),
            "payers refused": (group.false_positive_rate, payers),
            "defaulters approved": (group.false_negative_rate, group.defaults),
            "default rate": (group.default_rate, group.clients),
        }[panel]
        return round((share or 0.0) * among), among


_PANELS = ("approved", "payers refused", "defaulters approved", "default rate")


def fairness(report: ModelReport) -> Figure | None:
    """Approval, both errors, and default rate against mean probability by group; None without groups."""
    if report.fairness is None:
        return None
    rows, headings = _rows(report.fairness)
    height = max(row.height for row in rows) + 1
    figure = Figure(figsize=(12.5, 0.34 * height + 2.1), layout="constrained")
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, panel in zip(panels, _PANELS, strict=True):
        _panel(axes, panel, rows, report)
    _labels(panels[0], rows, headings, height)
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center", frameon=False, ncols=4)
    heading(panels[0], f"Fairness at threshold {report.policy.threshold:.4f}", report)
    return figure


def _rows(fairness: FairnessReport) -> tuple[list[_Row], list[tuple[float, str]]]:
    rows: list[_Row] = []
    headings: list[tuple[float, str]] = []
    height = 0.0
    for attribute in fairness.attributes:
        headings.append((height, attribute.attribute.replace("_", " ")))
        for group in in_reading_order(attribute.groups):
            height += 1
            rows.append(_Row(height, group, group.group in attribute.judged))
        height += 1.4
    return rows, headings


def _panel(axes: Axes, panel: str, rows: Sequence[_Row], report: ModelReport) -> None:
    frame(axes)
    axes.grid(visible=False, axis="y")
    for row in rows:
        _dot(axes, panel, row)
    axes.axvline(_overall(panel, report), color=QUIET, linestyle="--", linewidth=1, label="all clients")
    if panel == "default rate":
        means = [row.group.mean_probability for row in rows]
        axes.plot(
            means,
            [row.height for row in rows],
            marker="D",
            markersize=5,
            linestyle="none",
            color=RISK,
            label="mean probability of default",
        )
        axes.plot([], [], marker="o", color=MODEL, label="share, with 95 % interval")
        axes.plot([], [], marker="o", color=QUIET, markerfacecolor="white", label="group too small to be judged")
    axes.set_xlabel(panel, fontsize=11)
    axes.set_xlim(0, _widest(panel, rows))
    percents(axes.xaxis)


def _dot(axes: Axes, panel: str, row: _Row) -> None:
    events, among = row.counts(panel)
    if not among:
        return
    low, high = wilson_interval(np.array([events]), np.array([among]))
    color = MODEL if row.judged else QUIET
    axes.plot([low[0], high[0]], [row.height] * 2, color=color, linewidth=1.5)
    axes.plot(events / among, row.height, marker="o", color=color, markerfacecolor=color if row.judged else "white")


def _widest(panel: str, rows: Sequence[_Row]) -> float:
    """Room for every group that is judged; the interval of a small one may leave the picture."""
    judged = [row.counts(panel) for row in rows if row.judged]
    shares = [events / among for events, among in judged if among]
    if panel == "default rate":
        shares += [row.group.mean_probability for row in rows if row.judged]
    return min(max(shares, default=1.0) * 1.25 + 0.02, 1.02)


def _overall(panel: str, report: ModelReport) -> float:
    refused, defaulted = report.probabilities >= report.policy.threshold, report.labels == 1
    return float(
        {
            "approved": (~refused).mean(),
            "payers refused": refused[~defaulted].mean(),
            "defaulters approved": (~refused)[defaulted].mean(),
            "default rate": defaulted.mean(),
        }[panel]
    )


def _labels(axes: Axes, rows: Sequence[_Row], headings: Sequence[tuple[float, str]], height: float) -> None:
    texts = [
        (row.height, f"{row.group.group} ({row.group.clients:,}{'' if row.judged else ', not judged'})") for row in rows
    ]
    axes.set_yticks([at for at, _ in texts], [text for _, text in texts])
    for at, name in headings:
        axes.text(-0.02, at, name, transform=axes.get_yaxis_transform(), ha="right", va="center", fontweight="bold")
    axes.set_ylim(height, -0.8)
    axes.spines["left"].set_color(GRID)
