"""Pictures of a model for the experiment tracker."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from credit.metrics import auc, reliability, roc_curve


def write_plots(
    folder: Path, labels: NDArray[np.int64], probabilities: NDArray[np.float64], importance: Mapping[str, float]
) -> None:
    """Write roc.png, calibration.png and importance.png into the existing `folder`."""
    figures = {
        "roc": _roc(labels, probabilities),
        "calibration": _calibration(labels, probabilities),
        "importance": _importance(importance),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110)


def _roc(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Figure:
    figure = Figure(figsize=(5, 5), layout="tight")
    axes = figure.add_subplot()
    axes.plot(*roc_curve(labels, probabilities), label=f"AUC {auc(labels, probabilities):.3f}")
    axes.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axes.set(xlabel="payers refused", ylabel="defaulters refused", title="ROC, out-of-time test")
    axes.legend(loc="lower right")
    return figure


def _calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Figure:
    predicted, observed, _ = reliability(labels, probabilities).T
    figure = Figure(figsize=(5, 5), layout="tight")
    axes = figure.add_subplot()
    top = float(max(predicted.max(), observed.max())) * 1.05
    axes.plot([0, top], [0, top], linestyle="--", color="grey")
    axes.plot(predicted, observed, marker="o")
    axes.set(xlabel="mean probability of default", ylabel="default rate", title="Calibration by decile, test")
    return figure


def _importance(importance: Mapping[str, float], shown: int = 25) -> Figure:
    names = list(importance)[:shown][::-1]
    figure = Figure(figsize=(7, 7), layout="tight")
    axes = figure.add_subplot()
    axes.barh(names, [importance[name] for name in names])
    axes.set(xlabel="mean |SHAP| (log-odds)", title="Global importance")
    return figure
