"""The simulated error of calibrated models against a plain simulation, and against its known size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.metrics import expected_calibration_error
from training.calibration_noise import calibrated_ece_quantile


@given(st.integers(0, 2**31), st.integers(3, 200), st.integers(1, 12))
def test_it_is_the_quantile_of_the_metric_itself(seed, clients, bins):
    probabilities = np.random.default_rng(seed).uniform(0.02, 0.98, clients)
    ranked = np.sort(probabilities)
    draws = np.random.default_rng(seed).random((20, clients))
    errors = [expected_calibration_error((row < ranked).astype(np.int64), ranked, bins) for row in draws]
    found = calibrated_ece_quantile(probabilities, bins, replicates=20, seed=seed)
    assert found == pytest.approx(np.quantile(errors, 0.95))


def test_it_shrinks_with_the_square_root_of_the_clients():
    few, many = (calibrated_ece_quantile(np.full(n, 0.1), replicates=300) for n in (1_000, 100_000))
    assert few / many == pytest.approx(10, rel=0.15)


def test_it_is_the_same_every_time_and_in_batches():
    probabilities = np.linspace(0.01, 0.4, 30_000)
    first = calibrated_ece_quantile(probabilities, replicates=200)
    assert first == calibrated_ece_quantile(probabilities, replicates=200)
    assert first < calibrated_ece_quantile(probabilities, replicates=200, quantile=0.999)


def test_a_calibrated_model_stays_below_it_as_often_as_said():
    probabilities = np.random.default_rng(1).beta(2, 20, 2_000)
    limit = calibrated_ece_quantile(probabilities, seed=0)
    rng = np.random.default_rng(2)
    outcomes = [(rng.random(2_000) < probabilities).astype(np.int64) for _ in range(400)]
    below = np.mean([expected_calibration_error(labels, probabilities) <= limit for labels in outcomes])
    assert 0.92 <= below <= 0.98
