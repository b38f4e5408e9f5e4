import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from credit.cost import CostMatrix, cost_curve, expected_cost, optimal_threshold, total_cost
from credit.policy import DecisionPolicy, RiskBands

costs = st.builds(
    CostMatrix,
    false_negative=st.floats(0.1, 50).map(lambda value: round(value, 2)),
    false_positive=st.floats(0.1, 50).map(lambda value: round(value, 2)),
)
#: Few distinct values, so that ties are common.
clients = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.05, 0.1, 0.1, 0.2, 0.5, 0.7, 0.95])), min_size=1)


def columns(pairs):
    labels, probabilities = zip(*pairs, strict=True)
    return np.array(labels), np.array(probabilities)


def test_ten_to_one_costs_refuse_from_one_eleventh():
    assert CostMatrix().bayes_threshold == pytest.approx(1 / 11)


@given(costs, clients)
def test_no_threshold_is_cheaper_than_the_optimal_one(matrix, pairs):
    labels, probabilities = columns(pairs)
    best = optimal_threshold(matrix, labels, probabilities)
    every_cut = [*np.unique(probabilities), 0.0, 1.0, *(np.unique(probabilities) + 1e-9)]
    cheapest = min(total_cost(matrix, labels, probabilities, cut) for cut in every_cut)
    assert best.cost == pytest.approx(cheapest)
    assert total_cost(matrix, labels, probabilities, best.value) == pytest.approx(best.cost)


def test_total_cost_counts_each_kind_of_error():
    labels, probabilities = np.array([1, 1, 0, 0]), np.array([0.9, 0.1, 0.8, 0.2])
    assert total_cost(CostMatrix(), labels, probabilities, 0.5) == 10 + 1


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_costs_must_be_positive_and_finite(value):
    with pytest.raises(ValidationError):
        CostMatrix(false_negative=value)


def test_a_band_starts_at_its_cut():
    bands = RiskBands()
    assert [bands.band(probability) for probability in (0.001, 0.02, 0.0999, 0.1, 0.2, 0.99)] == [*"ABCDEE"]


@pytest.mark.parametrize("cuts", [(0.1, 0.1, 0.2, 0.3), (0.2, 0.1, 0.3, 0.4), (0.1,), (0.0, 0.1, 0.2, 0.3)])
def test_bands_need_rising_cuts(cuts):
    with pytest.raises(ValidationError):
        RiskBands(cuts=cuts)


def test_a_client_at_the_threshold_is_refused():
    policy = DecisionPolicy(threshold=0.25, costs=CostMatrix())
    assert [policy.decide(probability) for probability in (0.2499, 0.25)] == ["approved", "refused"]


@given(costs, clients)
def test_the_curve_is_what_each_of_its_thresholds_costs(matrix, pairs):
    labels, probabilities = columns(pairs)
    curve = cost_curve(matrix, labels, probabilities)
    for threshold, refused, cost in zip(curve.thresholds, curve.refused, curve.costs, strict=True):
        assert np.count_nonzero(probabilities >= threshold) == refused
        assert total_cost(matrix, labels, probabilities, threshold) == pytest.approx(cost)
    assert curve.refused.size == np.unique(probabilities).size + 1
    assert (np.diff(curve.thresholds) < 0).all()


def test_bands_of_many_are_the_bands_of_each():
    bands = RiskBands()
    risks = np.array([0.001, 0.02, 0.0999, 0.1, 0.2, 0.99])
    assert [bands.names[at] for at in bands.positions(risks)] == [bands.band(risk) for risk in risks]


def test_a_cut_lies_halfway_between_the_clients_it_parts():
    curve = cost_curve(CostMatrix(), np.array([1, 0]), np.array([0.3, 0.1]))
    assert curve.thresholds[0] > 1
    assert curve.thresholds[1:].tolist() == pytest.approx([0.2, 0.05])
    assert curve.costs.tolist() == [10, 0, 1]


def test_expected_cost_is_the_mean_over_drawn_labels_and_least_for_the_truth():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.01, 0.4, 500)
    guessed = np.clip(true + rng.normal(scale=0.05, size=500), 0.001, 0.999)
    costs = CostMatrix()
    threshold = costs.bayes_threshold
    drawn = [
        total_cost(costs, (rng.random(500) < true).astype(np.int64), guessed, threshold) / 500 for _ in range(2_000)
    ]
    expected = expected_cost(costs, true, guessed, threshold)
    assert expected == pytest.approx(np.mean(drawn), abs=0.01)
    assert expected_cost(costs, true, true, threshold) < expected
