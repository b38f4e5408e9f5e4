"""Risk bands against counting by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.cost import CostMatrix
from credit.policy import DecisionPolicy
from training.bands import band_table, bands_in_order

POLICY = DecisionPolicy(threshold=0.1, costs=CostMatrix())


@given(st.integers(0, 2**31), st.integers(1, 60))
def test_bands_are_what_counting_gives(seed, clients):
    rng = np.random.default_rng(seed)
    labels, risk = rng.integers(0, 2, clients), rng.beta(1, 8, clients)
    table = band_table(POLICY, labels, risk)
    assert [band.name for band in table] == [*"ABCDE"]
    for band in table:
        members = [at for at in range(clients) if POLICY.bands.band(float(risk[at])) == band.name]
        assert band.clients == len(members)
        assert band.share == pytest.approx(len(members) / clients)
        assert band.defaults == sum(labels[at] for at in members)
        if members:
            assert band.default_rate.value == pytest.approx(band.defaults / band.clients)
            assert band.default_rate.low <= band.default_rate.value <= band.default_rate.high
            assert band.mean_probability == pytest.approx(sum(risk[at] for at in members) / len(members))
        else:
            assert math.isnan(band.default_rate.value)


def test_points_of_a_band_enclose_its_clients_points():
    risk = np.array([0.01, 0.03, 0.07, 0.15, 0.5])
    table = band_table(POLICY, np.zeros(5, dtype=np.int64), risk)
    for band, points in zip(table, POLICY.points_of(risk), strict=True):
        low, high = band.points
        assert low is None or low < points
        assert high is None or points < high
    assert table[0].points[1] is None
    assert table[-1].points[0] is None


@pytest.mark.parametrize(
    ("defaults", "expected"), [([0, 1, 2, 3, 4], True), ([0, 1, 1, 3, 4], False), ([2, 1, 3, 4, 5], False)]
)
def test_rates_must_rise_strictly(defaults, expected):
    risk = np.repeat([0.01, 0.03, 0.07, 0.15, 0.5], 5)
    labels = np.concatenate([[1] * count + [0] * (5 - count) for count in defaults])
    assert bands_in_order(band_table(POLICY, labels, risk)) is expected


def test_an_empty_band_says_nothing():
    labels, risk = np.array([0, 1]), np.array([0.01, 0.5])
    assert bands_in_order(band_table(POLICY, labels, risk))
