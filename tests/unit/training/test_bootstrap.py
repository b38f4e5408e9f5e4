"""Weighted figures against plain ones on repeated rows; intervals against known spreads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit import metrics
from credit.cost import CostMatrix, total_cost
from training.bootstrap import (
    Interval,
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


@given(st.integers(0, 2**31), st.integers(5, 60))
def test_a_weighted_figure_is_the_plain_one_on_repeated_rows(seed, clients):
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(0, 2, clients - 2), [0, 1])
    scores = rng.integers(0, 8, clients) / 10 + 0.1
    weights = rng.integers(1, 4, clients)
    repeated, drawn = np.repeat(labels, weights), np.repeat(scores, weights)
    assert auc_figure(labels, scores)(weights) == pytest.approx(metrics.auc(repeated, drawn))
    assert brier_figure(labels, scores)(weights) == pytest.approx(metrics.brier(repeated, drawn))
    assert log_loss_figure(labels, scores)(weights) == pytest.approx(metrics.log_loss(repeated, drawn))
    ranking = ranking_figures(labels, scores)
    assert ranking["average_precision"](weights) == pytest.approx(metrics.average_precision(repeated, drawn))
    assert ranking["ks"](weights) == pytest.approx(metrics.kolmogorov_smirnov(repeated, drawn))
    error = metrics.expected_calibration_error(repeated, drawn)
    assert calibration_error_figure(labels, scores)(weights) == pytest.approx(error)
    costs = CostMatrix()
    expected = total_cost(costs, repeated, drawn, 0.4) / repeated.size
    assert cost_figure(costs, labels, scores, 0.4)(weights) == pytest.approx(expected)


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error():
    labels = (np.arange(4_000) % 5 == 0).astype(np.int64)
    found = intervals({"brier": brier_figure(labels, np.zeros(4_000))}, 4_000, replicates=400)["brier"]
    assert found.value == pytest.approx(0.2)
    error = np.sqrt(0.2 * 0.8 / 4_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_a_paired_difference_is_narrower_than_either_figure():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 2_000)
    scores = labels + rng.normal(size=2_000)
    first, second = auc_figure(labels, scores), auc_figure(labels, scores + rng.normal(scale=0.1, size=2_000))
    found = intervals({"first": first, "difference": difference(first, second)}, 2_000, replicates=200)
    assert found["difference"].high - found["difference"].low < (found["first"].high - found["first"].low) / 3


def test_resamples_with_one_class_are_left_out():
    labels = np.array([0, 0, 0, 1])
    found = intervals({"auc": auc_figure(labels, np.array([0.1, 0.2, 0.3, 0.4]))}, 4, replicates=100)["auc"]
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_an_inflated_figure_gets_its_interval_from_below():
    assert upward_biased(Interval(0.010, 0.012, 0.030)) == Interval(0.010, 0.0, 0.010)
    assert upward_biased(Interval(0.020, 0.015, 0.030)) == Interval(0.020, pytest.approx(0.010), pytest.approx(0.025))


def test_a_remembered_figure_is_computed_once_for_each_resample():
    seen = []
    figure = remembered(lambda weights: seen.append(weights) or float(weights.sum()))
    first, second = np.ones(3, dtype=np.int64), np.ones(4, dtype=np.int64)
    assert [figure(first), figure(first), figure(second)] == [3.0, 3.0, 4.0]
    assert len(seen) == 2
