"""ROC curve: how many defaulters are caught for how many payers refused."""

from matplotlib.figure import Figure

from credit.metrics import roc_curve
from training.plots.style import MODEL, OTHER, QUIET, RISK, canvas, heading, percents
from training.report import ModelReport
from training.wording import with_interval


def roc(report: ModelReport) -> Figure:
    """The model's curve, the logistic regression's, and the point of the threshold in force."""
    figure, axes = canvas(6.4, 6.4)
    axes.plot([0, 1], [0, 1], linestyle=":", color=QUIET, label="chance")
    if report.baseline is not None:
        axes.plot(*roc_curve(report.labels, report.baseline), color=OTHER, label=_baseline(report))
    axes.plot(*roc_curve(report.labels, report.probabilities), color=MODEL, linewidth=2, label="model")
    refused, defaulted = report.probabilities >= report.policy.threshold, report.labels == 1
    axes.plot(
        refused[~defaulted].mean(),
        refused[defaulted].mean(),
        marker="o",
        markersize=9,
        linestyle="none",
        color=RISK,
        label=f"threshold {report.policy.threshold:.4f}",
    )
    axes.set(xlabel="payers refused", ylabel="defaulters refused", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    percents(axes.xaxis)
    percents(axes.yaxis)
    heading(axes, f"ROC: AUC {with_interval(report.metrics, 'auc')}", report)
    axes.legend(loc="lower right", frameon=False)
    return figure


def _baseline(report: ModelReport) -> str:
    area = report.metrics.get("baseline_auc")
    return "logistic regression" if area is None else f"logistic regression, AUC {area:.3f}"
