"""How good a model is: figures with intervals, calibration, threshold, bands, explanations."""

import numpy as np

from training.model_card.facts import CardFacts, Section, table
from training.threshold import ThresholdCheck
from training.wording import percent, percent_interval, points_range, with_interval

_DASH = "–"
#: Figure, how it is called, digits, its figure of the logistic regression, and of approving everybody.
_FIGURES = (
    ("auc", "AUC", 3, "baseline_auc", "0.500"),
    ("gini", "Gini", 3, "baseline_gini", "0.000"),
    ("average_precision", "average precision", 3, "baseline_average_precision", "default_rate"),
    ("ks", "KS", 3, "baseline_ks", "0.000"),
    ("brier", "Brier score", 4, "baseline_brier", None),
    ("log_loss", "log loss", 4, "baseline_log_loss", None),
    ("ece", "expected calibration error", 4, "baseline_ece", None),
    ("cost", "cost per client", 3, "baseline_cost", "cost_approve_all"),
)
_SHOWN = 12


def figures(facts: CardFacts) -> Section | None:
    """Against both baselines, and against the truth where data was generated."""
    metrics = facts.bundle.metrics
    rows = [
        [title, with_interval(metrics, name, digits), _figure(facts, base, digits), _figure(facts, everybody, digits)]
        for name, title, digits, base, everybody in _FIGURES
        if name in metrics
    ]
    if not rows:
        return None
    head = ["figure", "model", "logistic regression", "approve everybody"]
    text = f"In brackets: 95 % intervals, bootstrap over test clients.\n\n{table(head, rows)}"
    return Section("Figures", text + _comparison(facts) + _truth(facts), ("roc", "precision_recall", "scores"))


def cross_validation(facts: CardFacts) -> Section | None:
    """Spread over folds."""
    if not facts.cross_validation:
        return None
    rows = [
        [name, f"{np.mean(folds):.4f}", f"{np.std(folds, ddof=min(1, len(folds) - 1)):.4f}", _list(folds)]
        for name, folds in facts.cross_validation.items()
    ]
    table_text = table(["figure", "mean", "standard deviation", "folds"], rows)
    return Section("Cross-validation", f"Older applications only, nobody in two folds.\n\n{table_text}")


def calibration(facts: CardFacts) -> Section:
    """Whether as many default as were said to."""
    metrics, lines = facts.bundle.metrics, []
    if "ece" in metrics:
        lines.append(
            f"- Expected calibration error {with_interval(metrics, 'ece', 4)}, ten bins of equal mass{_noise(facts)}."
        )
    if "calibration_slope" in metrics:
        slope, intercept = metrics["calibration_slope"], metrics["calibration_intercept"]
        lines.append(f"- Slope {slope:.3f} (perfect: 1) and intercept {intercept:.3f} (perfect: 0), in log-odds.")
    if "mean_probability" in metrics:
        rate = percent(metrics.get("default_rate"), 2)
        lines.append(f"- Mean probability {percent(metrics['mean_probability'], 2)}, default rate {rate}.")
    method = {"platt": "Platt scaling", "isotonic": "isotonic regression"}[facts.bundle.calibration.method]
    intro = f"{method}, fitted on the calibration part."
    return Section("Calibration", "\n".join([intro, "", *lines]), ("reliability",))


def threshold(facts: CardFacts) -> Section:
    """Threshold, costs, and whether data agrees."""
    policy, metrics = facts.bundle.policy, facts.bundle.metrics
    costs = policy.costs
    text = f"""A default costs {costs.false_negative:g}, a lost payer {costs.false_positive:g}. For calibrated
probabilities the best threshold is {costs.false_positive:g} / ({costs.false_positive:g} + {costs.false_negative:g}) =
{costs.bayes_threshold:.4f}; refused at **{policy.threshold:.4f}** or more."""
    check = facts.report.threshold if facts.report else ThresholdCheck.from_figures(metrics)
    if check is not None:
        text += f" On the calibration part: {check.verdict[0].lower()}{check.verdict[1:]}"
    rows = [
        [title, f"{metrics[name]:.3f}"]
        for name, title in (
            ("cost", "this threshold"),
            ("cost_best_threshold", "best threshold with hindsight"),
            ("cost_approve_all", "approve everybody"),
            ("cost_refuse_all", "refuse everybody"),
        )
        if name in metrics
    ]
    shown = f"\n\n{table(['decision', 'cost per client, test'], rows)}" if rows else ""
    return Section("Threshold and costs", text + shown, ("cost",))


def bands(facts: CardFacts) -> Section | None:
    """Risk bands and points."""
    if facts.report is None:
        return None
    rows = [
        [
            band.name,
            points_range(band.points),
            f"{band.clients:,}",
            percent(band.share),
            percent(band.mean_probability),
            percent_interval(band.default_rate),
        ]
        for band in facts.report.bands
    ]
    scale = facts.bundle.policy.points
    order = "rise" if facts.bundle.metrics.get("bands_in_order", 1.0) else "do NOT rise"
    text = f"""{scale.base:g} points where {scale.odds:g} pay for one who defaults; {scale.doubling:g} more each time
that doubles. Default rates {order} from band to band.

{table(["band", "points", "clients", "share", "mean probability", "default rate (95 %)"], rows)}"""
    return Section("Risk bands and points", text, ("risk_bands",))


def explanations(facts: CardFacts) -> Section | None:
    """What moves the margin."""
    if facts.report is None:
        return None
    business = facts.report.explanation.business
    members = dict(zip(business.names, business.members, strict=True))
    rows = [
        [name, f"{strength:.3f}", f"{len(members[name])}"]
        for name, strength in list(business.importance().items())[:_SHOWN]
    ]
    contract = facts.bundle.contract
    complete = not facts.bundle.reason_texts.problems(contract.names)
    every = "Each" if complete else "NOT each"
    text = f"""Exact SHAP values of {facts.report.explanation.values.shape[0]:,} test clients, in log-odds. Features
that an applicant would see as one reason are added up, client by client, before their size is taken.

{table(["reason", "mean absolute contribution", "features"], rows)}

{every} of the {len(contract.names)} features has a reason in English and French, and no protected attribute is among
them."""
    return Section("Explanations", text, ("importance", "beeswarm"))


def _figure(facts: CardFacts, name: str | None, digits: int) -> str:
    if name is None or name[0].isdigit():
        return name or _DASH
    value = facts.bundle.metrics.get(name)
    return _DASH if value is None else f"{value:.{digits}f}"


def _comparison(facts: CardFacts) -> str:
    metrics = facts.bundle.metrics
    if "auc_over_baseline" not in metrics:
        return ""
    return f"""

On the same clients, above 0 where the model is better: its AUC minus the logistic regression's
{with_interval(metrics, "auc_over_baseline")}, the logistic regression's cost minus its own
{with_interval(metrics, "cost_below_baseline")}."""


def _truth(facts: CardFacts) -> str:
    metrics = facts.bundle.metrics
    if not {"oracle_auc", "auc_way_to_oracle", "cost_over_oracle"} <= metrics.keys():
        return ""
    return f"""

The data is generated, so that the true probabilities are known: their AUC is {metrics["oracle_auc"]:.3f}. The model
comes {percent(metrics["auc_way_to_oracle"])} of the way from chance to it, and costs
{metrics["cost_over_oracle"]:.3f} times what the best decisions from the truth cost."""


def _noise(facts: CardFacts) -> str:
    chance = facts.bundle.metrics.get("ece_calibrated_p95")
    return "" if chance is None else f"; a perfectly calibrated model stays below {chance:.4f} in 95 of 100 such tests"


def _list(folds: object) -> str:
    return ", ".join(f"{value:.4f}" for value in np.asarray(folds, dtype=np.float64).tolist())
