"""Global importance by business feature."""

from textwrap import fill

from matplotlib.figure import Figure

from training.plots.style import MODEL, canvas, heading
from training.report import ModelReport

_SHOWN = 20


def importance(report: ModelReport) -> Figure:
    """Mean absolute contribution of what an applicant sees as one reason, its model features added up."""
    business = report.explanation.business
    strength = dict(list(business.importance().items())[:_SHOWN])
    members = dict(zip(business.names, business.members, strict=True))
    figure, axes = canvas(9.0, 0.36 * len(strength) + 1.6)
    names = [fill(f"{name}{_count(len(members[name]))}", 62) for name in strength]
    axes.barh(names[::-1], list(strength.values())[::-1], color=MODEL, height=0.7)
    axes.set_ylim(-0.6, len(strength) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("mean absolute contribution to the log-odds of default (exact SHAP)")
    more = f"; {report.explanation.values.shape[0]:,} of them explained"
    heading(axes, f"The {len(strength)} strongest of {len(business.names)} reasons", report, more)
    return figure


def _count(features: int) -> str:
    return "" if features == 1 else f" ({features}\N{NO-BREAK SPACE}features)"
