import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.calibration import logistic
from credit.errors import TrainingError
from credit.metrics import expected_calibration_error, log_loss
from training.calibrate import calibrate, fit_isotonic, fit_platt


def outcomes(seed, clients, shape):
    rng = np.random.default_rng(seed)
    margins = rng.normal(-2.4, 1.0, clients)
    return (rng.random(clients) < logistic(shape(margins))).astype(np.int64), margins


def stepped(margins):
    return np.where(margins < -3, -4.0, np.where(margins < -2, -2.6, -0.3))


def test_platt_finds_the_true_line():
    labels, margins = outcomes(0, 200_000, lambda margin: 0.7 * margin - 0.2)
    fitted = fit_platt(labels, margins)
    assert fitted.slope_above == pytest.approx(0.7, abs=0.03)
    assert fitted.log_odds[0] == pytest.approx(-0.2, abs=0.06)


@pytest.mark.parametrize("fitter", [fit_platt, fit_isotonic])
def test_calibrated_probabilities_match_the_observed_rates(fitter):
    labels, margins = outcomes(1, 40_000, lambda margin: 0.6 * margin - 0.4)
    fresh_labels, fresh = outcomes(2, 40_000, lambda margin: 0.6 * margin - 0.4)
    probabilities = fitter(labels, margins).probability(fresh)
    assert expected_calibration_error(fresh_labels, probabilities) < 0.01
    assert log_loss(fresh_labels, probabilities) < log_loss(fresh_labels, logistic(fresh))


def test_the_better_of_the_two_is_taken():
    straight = outcomes(3, 3_000, lambda margin: 0.8 * margin)
    bent = outcomes(4, 30_000, stepped)
    assert calibrate(*straight, seed=0).method == "platt"
    assert calibrate(*bent, seed=0).method == "isotonic"


@given(st.integers(0, 10_000), st.integers(20, 400), st.sampled_from([1, 2, 8]))
def test_isotonic_rises_strictly_also_with_ties_and_few_clients(seed, clients, decimals):
    rng = np.random.default_rng(seed)
    margins = np.round(rng.normal(-2, 1, clients), decimals)
    labels = (margins + rng.normal(0, 0.5, clients) > -1.5).astype(np.int64)
    labels[np.argmax(margins)], labels[np.argmin(margins)] = 1, 0
    fitted = fit_isotonic(labels, margins)
    assert (np.diff(fitted.margins) > 0).all()
    assert (np.diff(fitted.log_odds) > 0).all()


def test_few_defaults_fall_back_to_platt():
    margins = np.linspace(-4, 0, 40)
    labels = np.zeros(40, dtype=np.int64)
    labels[-1] = 1
    assert calibrate(labels, margins, seed=0).method == "platt"


def test_a_model_worse_than_chance_is_refused():
    labels, margins = outcomes(5, 5_000, lambda margin: -margin - 4)
    with pytest.raises(TrainingError, match="chance"):
        calibrate(labels, margins, seed=0)


def test_isotonic_levels_that_differ_by_less_than_their_log_odds_tell_are_one():
    rng = np.random.default_rng(6391)
    margins = rng.normal(-2.7, 1.05, 600)
    fitted = fit_isotonic((rng.random(600) < logistic(margins)).astype(np.int64), margins)
    assert (np.diff(fitted.log_odds) > 0).all()
    assert (np.diff(fitted.margins) > 0).all()
