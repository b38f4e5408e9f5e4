"""Judges a model on clients it has never seen: ranking, calibration, cost, against two yardsticks and the truth."""

from collections.abc import Mapping

import numpy as np

from credit import metrics
from credit.cost import expected_cost, optimal_threshold, total_cost
from credit.policy import DecisionPolicy
from training.bands import band_table, bands_in_order
from training.bootstrap import (
    Column,
    Figure,
    Interval,
    Labels,
    auc_figure,
    brier_figure,
    calibration_error_figure,
    cost_figure,
    difference,
    intervals,
    log_loss_figure,
    ranking_figures,
    remembered,
    upward_biased,
)
from training.calibration_noise import calibrated_ece_quantile

_OF_BASELINE = ("auc", "gini", "average_precision", "ks", "brier", "log_loss", "ece", "cost")


def evaluate_model(
    policy: DecisionPolicy,
    labels: Labels,
    probabilities: Column,
    *,
    baseline: Column | None = None,
    oracle: Column | None = None,
    replicates: int = 500,
    seed: int = 0,
) -> dict[str, float]:
    """Every figure of n unseen clients, as it goes to the bundle and the tracker.

    A figure `x` with an interval has `x_low` and `x_high` beside it: 95 %, bootstrap. Costs are per client.

    Args:
        policy: threshold, costs and bands.
        labels: 0 or 1, shape (n,).
        probabilities: calibrated, shape (n,).
        baseline: probabilities of the logistic regression, shape (n,).
        oracle: true probabilities of generated data, shape (n,).
        replicates: resamples behind the intervals, and simulated outcomes behind the ECE's noise.
        seed: of both.
    """
    found = evaluate(labels, probabilities, policy)
    figures = _figures(policy, labels, probabilities)
    if baseline is not None:
        found |= _baseline(policy, labels, baseline)
        figures |= _over_baseline(policy, labels, baseline, figures)
    judged = intervals(figures, labels.size, replicates=replicates, seed=seed)
    judged["ece"] = upward_biased(judged["ece"])
    area = judged["auc"]
    judged["gini"] = Interval(*(2 * end - 1 for end in (area.value, area.low, area.high)))
    found |= _flat(judged)
    found["ece_calibrated_p95"] = calibrated_ece_quantile(probabilities, replicates=replicates, seed=seed)
    if oracle is not None:
        found |= _oracle(policy, labels, oracle, found) | _expected(policy, probabilities, oracle)
    return found


def evaluate(labels: Labels, probabilities: Column, policy: DecisionPolicy) -> dict[str, float]:
    """Figures without intervals of calibrated probabilities on one part; costs are per client."""
    auc = metrics.auc(labels, probabilities)
    slope, intercept = metrics.calibration_line(labels, probabilities)
    return {
        "auc": auc,
        "gini": 2 * auc - 1,
        "average_precision": metrics.average_precision(labels, probabilities),
        "ks": metrics.kolmogorov_smirnov(labels, probabilities),
        "brier": metrics.brier(labels, probabilities),
        "log_loss": metrics.log_loss(labels, probabilities),
        "ece": metrics.expected_calibration_error(labels, probabilities),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "default_rate": float(labels.mean()),
        "mean_probability": float(probabilities.mean()),
        "bands_in_order": float(bands_in_order(band_table(policy, labels, probabilities))),
        **_decisions(labels, probabilities, policy),
    }


def _decisions(labels: Labels, probabilities: Column, policy: DecisionPolicy) -> dict[str, float]:
    clients, costs, approved = labels.size, policy.costs, probabilities < policy.threshold
    best = optimal_threshold(costs, labels, probabilities)
    cost = total_cost(costs, labels, probabilities, policy.threshold) / clients
    approve_all = costs.false_negative * float(labels.mean())
    figures = {
        "threshold": policy.threshold,
        "approval_rate": float(approved.mean()),
        "cost": cost,
        "cost_approve_all": approve_all,
        "cost_refuse_all": costs.false_positive * float(1 - labels.mean()),
        "cost_saving": approve_all - cost,
        "cost_best_threshold": best.cost / clients,
        "best_threshold": best.value,
    }
    if approved.any():
        figures["default_rate_approved"] = float(labels[approved].mean())
    return figures


def _figures(policy: DecisionPolicy, labels: Labels, probabilities: Column) -> dict[str, Figure]:
    cost = remembered(cost_figure(policy.costs, labels, probabilities, policy.threshold))
    approve_all = cost_figure(policy.costs, labels, np.zeros(labels.size), policy.threshold)
    ranking = ranking_figures(labels, probabilities)
    return {
        **ranking,
        "auc": remembered(ranking["auc"]),
        "brier": brier_figure(labels, probabilities),
        "log_loss": log_loss_figure(labels, probabilities),
        "ece": calibration_error_figure(labels, probabilities),
        "cost": cost,
        "cost_saving": difference(approve_all, cost),
    }


def _baseline(policy: DecisionPolicy, labels: Labels, baseline: Column) -> dict[str, float]:
    found = evaluate(labels, baseline, policy)
    return {f"baseline_{name}": found[name] for name in _OF_BASELINE}


def _over_baseline(
    policy: DecisionPolicy, labels: Labels, baseline: Column, figures: Mapping[str, Figure]
) -> dict[str, Figure]:
    """Above 0 the model is better: more area, less cost."""
    cost = cost_figure(policy.costs, labels, baseline, policy.threshold)
    return {
        "auc_over_baseline": difference(figures["auc"], auc_figure(labels, baseline)),
        "cost_below_baseline": difference(cost, figures["cost"]),
    }


def _oracle(policy: DecisionPolicy, labels: Labels, oracle: Column, found: Mapping[str, float]) -> dict[str, float]:
    """How near the model comes to the true probabilities, which nothing can beat but by luck."""
    auc = metrics.auc(labels, oracle)
    best = optimal_threshold(policy.costs, labels, oracle).cost / labels.size
    figures = {"oracle_auc": auc, "oracle_cost_best": best}
    if auc > 0.5:
        figures["auc_way_to_oracle"] = (found["auc"] - 0.5) / (auc - 0.5)
    if best > 0:
        figures["cost_over_oracle"] = found["cost"] / best
    return figures


def _expected(policy: DecisionPolicy, probabilities: Column, oracle: Column) -> dict[str, float]:
    """The same two figures over all labels that the true probabilities allow: without the luck of one draw."""
    own, best = metrics.expected_auc(oracle, probabilities), metrics.expected_auc(oracle, oracle)
    by_truth = expected_cost(policy.costs, oracle, oracle, policy.costs.bayes_threshold)
    figures = {"auc_expected": own, "oracle_auc_expected": best}
    if best > 0.5:
        figures["auc_way_to_oracle_expected"] = (own - 0.5) / (best - 0.5)
    if by_truth > 0:
        paid = expected_cost(policy.costs, oracle, probabilities, policy.threshold)
        figures["cost_over_oracle_expected"] = paid / by_truth
    return figures


def _flat(judged: Mapping[str, Interval]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, figure in judged.items():
        flat |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return flat
