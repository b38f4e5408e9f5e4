"""Points against their definition with Python's own logarithm."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from credit.cost import CostMatrix
from credit.points import PointsScale
from credit.policy import DecisionPolicy

probability = st.floats(1e-12, 1 - 1e-12)
scales = st.builds(PointsScale, base=st.floats(0, 1_000), odds=st.floats(0.1, 1_000), doubling=st.floats(1, 100))


def points(value, scale=None):
    return float((scale or PointsScale()).points(np.array([value]))[0])


def at_odds(odds):
    return 1 / (1 + odds)


@pytest.mark.parametrize(
    ("odds", "expected"), [(50, 600), (100, 620), (200, 640), (25, 580), (12.5, 560), (1, 600 - 20 * math.log2(50))]
)
def test_the_anchors(odds, expected):
    assert points(at_odds(odds)) == pytest.approx(expected, abs=1e-9)


@given(probability, scales)
def test_the_definition(value, scale):
    expected = scale.base + scale.doubling / math.log(2) * (math.log((1 - value) / value) - math.log(scale.odds))
    assert points(value, scale) == pytest.approx(expected, rel=1e-12, abs=1e-9)


@given(probability, probability)
def test_more_risk_means_fewer_points(first, second):
    low, high = sorted((first, second))
    assert points(high) <= points(low) + 1e-10
    if high > low * (1 + 1e-9):
        assert points(high) < points(low)


@given(st.floats(1e-6, 1e6), scales)
def test_double_odds_add_one_step(odds, scale):
    added = points(at_odds(2 * odds), scale) - points(at_odds(odds), scale)
    assert added == pytest.approx(scale.doubling, rel=1e-6)


@given(st.lists(probability, min_size=1, max_size=50))
def test_one_client_gets_the_same_bits_alone_and_among_others(values):
    together = PointsScale().points(np.array(values))
    assert together.tolist() == [points(value) for value in values]


def test_the_policy_carries_its_scale():
    policy = DecisionPolicy(threshold=0.1, costs=CostMatrix(), points=PointsScale(base=500, odds=20, doubling=50))
    stored = DecisionPolicy.model_validate_json(policy.model_dump_json())
    assert stored.points_of(np.array([at_odds(20), at_odds(40)])).tolist() == pytest.approx([500, 550])
    assert DecisionPolicy(threshold=0.1, costs=CostMatrix()).points == PointsScale()


def test_a_policy_from_before_points_has_the_usual_scale():
    old = {"threshold": 0.1, "costs": {"false_negative": 10.0, "false_positive": 1.0}}
    assert DecisionPolicy.model_validate(old).points == PointsScale()


@pytest.mark.parametrize("wrong", [{"odds": 0}, {"doubling": -20}, {"base": float("nan")}])
def test_a_scale_that_cannot_be(wrong):
    with pytest.raises(ValidationError):
        PointsScale(**wrong)
