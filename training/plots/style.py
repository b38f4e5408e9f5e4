"""How all pictures look: colours that colour-blind readers tell apart (Okabe and Ito, 2008), one frame, one title."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from training.report import ModelReport

MODEL = "#0072b2"
OTHER = "#e69f00"
RISK = "#d55e00"
GOOD = "#009e73"
QUIET = "#767676"
GRID = "#e3e3e3"
_TICKS = (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


def canvas(width: float = 7.0, height: float = 5.2) -> tuple[Figure, Axes]:
    """A figure with one framed plot; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    frame(axes)
    return figure, axes


def frame(axes: Axes) -> None:
    """A light grid, and no box."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10)


def heading(axes: Axes, title: str, report: ModelReport, more: str = "") -> None:
    """A bold title, and below it on whom the picture is drawn."""
    headline(axes, title, f"out-of-time test: {report.labels.size:,} clients, {report.labels.sum():,} defaults{more}")


def headline(axes: Axes, title: str, below: str) -> None:
    """Two lines above `axes` that start at the figure's left edge, however wide the labels are."""
    axes.set_title(" ", fontsize=13, pad=26)  # keeps the room that the lines take
    for text, above, size, weight, color in ((title, 25, 13, "bold", "black"), (below, 8, 10, "normal", QUIET)):
        line = axes.annotate(
            text,
            (0.01, 1),
            (0, above),
            xycoords=("figure fraction", "axes fraction"),
            textcoords="offset points",
            fontsize=size,
            fontweight=weight,
            color=color,
        )
        line.set_in_layout(False)


def percents(axis: Axis) -> None:
    """Ticks of a share as percentages."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))


def root_scale(axes: Axes, which: str) -> None:
    """A square-root axis ("x" or "y"): low probabilities, where most clients are, get room, and 0 has a place."""
    setter = axes.set_xscale if which == "x" else axes.set_yscale
    setter("function", functions=(lambda share: np.sqrt(np.maximum(share, 0)), np.square))
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(_TICKS))
    percents(axis)
