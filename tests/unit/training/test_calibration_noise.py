"""The noise of a calibration error against drawing outcomes one set at a time."""

import numpy as np
import pytest

from credit.metrics import expected_calibration_error
from training.calibration_noise import calibrated_ece_quantile


def brute_force(probabilities, bins, replicates, seed):
    rng = np.random.default_rng(seed)
    ranked = np.sort(probabilities)
    draws = [(rng.random(ranked.size) < ranked).astype(np.int64) for _ in range(replicates)]
    return [expected_calibration_error(labels, ranked, bins) for labels in draws]


@pytest.mark.parametrize(("clients", "bins"), [(503, 10), (7, 10), (100, 4)])
def test_it_is_the_quantile_of_simulated_errors(clients, bins):
    probabilities = np.random.default_rng(1).beta(1, 8, clients)
    expected = np.quantile(brute_force(probabilities, bins, 60, seed=3), 0.9)
    assert calibrated_ece_quantile(probabilities, bins, 60, seed=3, quantile=0.9) == pytest.approx(expected)


def test_chunks_change_nothing(monkeypatch):
    probabilities = np.random.default_rng(1).beta(1, 8, 400)
    whole = calibrated_ece_quantile(probabilities, replicates=50)
    monkeypatch.setattr("training.calibration_noise._AT_ONCE", 1_000)
    assert calibrated_ece_quantile(probabilities, replicates=50) == whole


def test_four_times_the_clients_halve_the_noise():
    probabilities = np.random.default_rng(2).beta(1, 8, 2_000)
    few, many = calibrated_ece_quantile(probabilities), calibrated_ece_quantile(np.repeat(probabilities, 4))
    assert many == pytest.approx(few / 2, rel=0.15)
