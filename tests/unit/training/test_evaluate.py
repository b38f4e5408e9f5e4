"""Figures of clients whose true probabilities are known, and by hand."""

import math

import numpy as np
import pytest

from credit.cost import CostMatrix
from credit.policy import DecisionPolicy
from training.evaluate import evaluate, evaluate_model

POLICY = DecisionPolicy(threshold=1 / 11, costs=CostMatrix())


@pytest.fixture(scope="module")
def clients():
    rng = np.random.default_rng(0)
    truth = rng.beta(1, 8, 5_000)
    labels = (rng.random(5_000) < truth).astype(np.int64)
    noise = rng.normal(size=5_000)
    blurred = {wide: 1 / (1 + np.exp(-(np.log(truth / (1 - truth)) + wide * noise))) for wide in (0.3, 1.5)}
    return labels, truth, blurred


@pytest.fixture(scope="module")
def figures(clients):
    labels, truth, blurred = clients
    return evaluate_model(POLICY, labels, blurred[0.3], baseline=blurred[1.5], oracle=truth, replicates=100)


def test_every_interval_holds_its_figure(figures):
    named = [name.removesuffix("_low") for name in figures if name.endswith("_low")]
    assert {"auc", "gini", "brier", "ece", "cost", "cost_saving", "auc_over_baseline", "cost_below_baseline"} <= {
        *named
    }
    for name in named:
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"], name
    assert all(math.isfinite(value) for value in figures.values())


def test_figures_with_intervals_are_the_plain_ones(clients, figures):
    labels, _, blurred = clients
    for name, value in evaluate(labels, blurred[0.3], POLICY).items():
        assert figures[name] == pytest.approx(value), name
    worse = evaluate(labels, blurred[1.5], POLICY)
    assert figures["baseline_auc"] == worse["auc"]
    assert figures["auc_over_baseline"] == pytest.approx(figures["auc"] - worse["auc"])
    assert figures["cost_below_baseline"] == pytest.approx(worse["cost"] - figures["cost"])


def test_a_better_model_is_better_beyond_its_interval(figures):
    assert figures["auc_over_baseline_low"] > 0
    assert figures["cost_below_baseline_low"] > 0


def test_the_way_to_the_truth(clients, figures):
    labels, truth, _ = clients
    assert 0.8 < figures["auc_way_to_oracle"] < 1
    assert figures["cost_over_oracle"] > 1
    perfect = evaluate_model(POLICY, labels, truth, oracle=truth, replicates=20)
    assert perfect["auc_way_to_oracle"] == 1
    assert perfect["cost_over_oracle"] == pytest.approx(perfect["cost"] / perfect["cost_best_threshold"])
    assert perfect["ece"] < perfect["ece_calibrated_p95"]
    assert perfect["calibration_slope"] == pytest.approx(1, abs=0.1)


def test_decisions_by_hand():
    labels, risk = np.array([1, 1, 0, 0, 0]), np.array([0.5, 0.05, 0.5, 0.05, 0.01])
    found = evaluate(labels, risk, POLICY)
    assert found["approval_rate"] == 0.6
    assert found["default_rate_approved"] == pytest.approx(1 / 3)
    assert found["cost"] == pytest.approx((10 + 1) / 5)
    assert found["cost_approve_all"] == pytest.approx(20 / 5)
    assert found["cost_refuse_all"] == pytest.approx(3 / 5)
    assert found["cost_saving"] == pytest.approx(9 / 5)
    assert found["gini"] == pytest.approx(2 * found["auc"] - 1)


def test_without_baseline_and_truth_there_is_nothing_about_them(clients):
    labels, _, blurred = clients
    found = evaluate_model(POLICY, labels[:400], blurred[0.3][:400], replicates=20)
    assert not [name for name in found if "baseline" in name or "oracle" in name]


def test_nobody_approved_has_no_default_rate():
    assert "default_rate_approved" not in evaluate(np.array([0, 1]), np.array([0.5, 0.6]), POLICY)
