"""Beeswarm: one dot per client and feature, where it pushed and how large its value was."""

import warnings
from types import ModuleType
from typing import cast

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from training.explain import Explanation
from training.plots.style import headline
from training.report import ModelReport

_SHOWN = 20
#: Viridis without its palest end. Not the map itself: shap takes a list of colours for one colour.
_COLORS = LinearSegmentedColormap.from_list("value", colormaps["viridis"](np.linspace(0, 0.93, 32)))


def beeswarm(report: ModelReport) -> Figure:
    """The strongest model features; grey where a value is a category or missing."""
    shap = _shap()
    figure = Figure(figsize=(9.0, 9.5), layout="constrained")
    axes = figure.add_subplot()
    explained = report.explanation
    explanation = shap.Explanation(
        values=explained.contributions[:, :-1],
        base_values=explained.contributions[:, -1],
        data=_values(explained),
        feature_names=list(explained.names),
    )
    with warnings.catch_warnings():
        # A feature that none of these clients has: shap takes percentiles of nothing, and draws it grey.
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        shap.plots.beeswarm(
            explanation,
            max_display=_SHOWN,
            group_remaining_features=False,
            color=_COLORS,
            color_bar_label="value of the feature (grey: category or missing)",
            ax=axes,
            plot_size=None,
            show=False,
        )
    axes.tick_params("y", labelsize=10)
    axes.set_xlabel("contribution to the log-odds of default (exact SHAP): right pushes towards refusal", fontsize=10)
    shown = f"out-of-time test: {explained.values.shape[0]:,} of {report.labels.size:,} clients, one dot each"
    headline(axes, "Contributions by model feature", shown)
    return figure


def _shap() -> ModuleType:
    """Imported when first drawn: it is heavy, and its colours use what matplotlib is about to deprecate."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The set_", PendingDeprecationWarning)
        import shap
    return cast(ModuleType, shap)


def _values(explained: Explanation) -> np.ndarray:
    """Numbers as they are; text for categories, which shap leaves grey."""
    values = explained.values.astype(object)
    values[:, explained.categorical] = "category"
    return values
