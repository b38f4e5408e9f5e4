"""The threshold check on clients whose true probabilities are known."""

import numpy as np
import pytest

from credit.cost import CostMatrix, optimal_threshold, total_cost
from credit.policy import DecisionPolicy
from training.threshold import ThresholdCheck, check_threshold

COSTS = CostMatrix()


def clients(number=4_000, seed=0):
    rng = np.random.default_rng(seed)
    risk = rng.beta(1, 8, number)
    return (rng.random(number) < risk).astype(np.int64), risk


def policy(threshold):
    return DecisionPolicy(threshold=threshold, costs=COSTS)


def test_true_probabilities_keep_the_threshold_of_the_costs():
    labels, risk = clients()
    check = check_threshold(policy(COSTS.bayes_threshold), labels, risk, replicates=100)
    best = optimal_threshold(COSTS, labels, risk)
    assert check.cheapest.value == best.value
    extra = (total_cost(COSTS, labels, risk, check.threshold) - best.cost) / labels.size
    assert check.extra_cost.value == pytest.approx(extra)
    assert check.cheapest.low <= check.expected == COSTS.bayes_threshold <= check.cheapest.high
    assert check.holds
    assert check.verdict.endswith("it stays.")


def test_a_threshold_far_off_does_not_hold():
    labels, risk = clients()
    check = check_threshold(policy(0.6), labels, risk, replicates=100)
    assert not check.holds
    assert check.extra_cost.low > 0
    assert "outside" in check.verdict


def test_probabilities_that_are_too_high_move_the_cheapest_cut():
    labels, risk = clients(20_000)
    check = check_threshold(policy(COSTS.bayes_threshold), labels, np.minimum(3 * risk, 0.999), replicates=100)
    assert check.cheapest.low > COSTS.bayes_threshold
    assert not check.holds


def test_the_figures_hold_the_whole_check():
    labels, risk = clients(500)
    check = check_threshold(policy(0.09), labels, risk, replicates=30)
    assert ThresholdCheck.from_figures(check.figures()) == check
    assert ThresholdCheck.from_figures({"auc": 0.7}) is None
    assert check.figures()["threshold_holds"] == float(check.holds)
