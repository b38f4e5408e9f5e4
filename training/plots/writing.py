"""Draws every picture of a report into a folder."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from training.plots.beeswarm import beeswarm
from training.plots.cost import cost
from training.plots.fairness import fairness
from training.plots.importance import importance
from training.plots.precision_recall import precision_recall
from training.plots.reliability import reliability
from training.plots.risk_bands import risk_bands
from training.plots.roc import roc
from training.plots.scores import scores
from training.report import ModelReport

#: By file name without its end, in reading order. A picture without data is None.
PICTURES: dict[str, Callable[[ModelReport], Figure | None]] = {
    "roc": roc,
    "precision_recall": precision_recall,
    "reliability": reliability,
    "scores": scores,
    "cost": cost,
    "risk_bands": risk_bands,
    "importance": importance,
    "beeswarm": beeswarm,
    "fairness": fairness,
}
_DPI = 110


def write_plots(folder: Path, report: ModelReport) -> dict[str, Path]:
    """Write `<name>.png` for every picture that the report has data for into the existing `folder`.

    Returns:
        The files by name, in reading order.
    """
    written: dict[str, Path] = {}
    for name, draw in PICTURES.items():
        figure = draw(report)
        if figure is None:
            continue
        written[name] = folder / f"{name}.png"
        figure.savefig(written[name], dpi=_DPI)
    return written
