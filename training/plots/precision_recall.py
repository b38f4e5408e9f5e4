"""Precision-recall curve: how pure a refused group is, for how many defaulters it holds."""

from matplotlib.figure import Figure

from credit.metrics import precision_recall_curve
from training.plots.style import MODEL, OTHER, QUIET, RISK, canvas, heading, percents
from training.report import ModelReport
from training.wording import with_interval

#: Below so many refused defaulters, or this share of them, precision hangs on single clients: the curve is a zigzag.
_FEWEST, _SHARE = 10, 0.05


def precision_recall(report: ModelReport) -> Figure:
    """The model's curve, the logistic regression's, and the point of the threshold in force."""
    figure, axes = canvas()
    fewest = min(_FEWEST / int(report.labels.sum()), _SHARE)
    for scores, color, label in (
        (report.baseline, OTHER, "logistic regression"),
        (report.probabilities, MODEL, "model"),
    ):
        if scores is not None:
            recall, precision = precision_recall_curve(report.labels, scores)
            axes.plot(recall[recall >= fewest], precision[recall >= fewest], color=color, label=label)
    rate = float(report.labels.mean())
    axes.axhline(rate, linestyle=":", color=QUIET, label=f"refusing at random: {100 * rate:.1f} %")
    refused, defaulted = report.probabilities >= report.policy.threshold, report.labels == 1
    if refused.any():
        axes.plot(
            refused[defaulted].mean(),
            defaulted[refused].mean(),
            marker="o",
            markersize=9,
            linestyle="none",
            color=RISK,
            label=f"threshold {report.policy.threshold:.4f}",
        )
    axes.set(xlabel="defaulters refused (recall)", ylabel="defaulters among the refused (precision)")
    axes.set(xlim=(0, 1), ylim=(0, axes.get_ylim()[1] * 1.05))
    percents(axes.xaxis)
    percents(axes.yaxis)
    heading(axes, f"Average precision {with_interval(report.metrics, 'average_precision')}", report)
    axes.legend(loc="best", frameon=False)
    return figure
