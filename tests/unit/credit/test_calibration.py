import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from credit.calibration import Calibration, logistic

finite = st.floats(-40, 40)
margins = st.lists(finite, min_size=1, max_size=70).map(np.array)


@st.composite
def calibrations(draw):
    knots = draw(st.integers(1, 12))
    steps = st.lists(st.floats(0.01, 5), min_size=knots, max_size=knots)
    start = draw(st.floats(-10, 0))
    rising = [tuple((start + np.cumsum(draw(steps))).tolist()) for _ in range(2)]
    slopes = [draw(st.floats(0.01, 5)) for _ in range(2)]
    return Calibration(
        method="isotonic", margins=rising[0], log_odds=rising[1], slope_below=slopes[0], slope_above=slopes[1]
    )


@given(calibrations(), margins)
def test_probabilities_lie_strictly_between_zero_and_one(calibration, values):
    probabilities = calibration.probability(values)
    assert ((probabilities > 0) & (probabilities < 1)).all()


@given(calibrations(), margins)
def test_a_larger_margin_never_gives_a_smaller_probability(calibration, values):
    probabilities = calibration.probability(np.sort(values))
    assert (np.diff(probabilities) >= -1e-14).all()


def test_clearly_different_margins_give_different_probabilities():
    calibration = Calibration.platt(slope=0.8, intercept=-0.3)
    assert (np.diff(calibration.probability(np.arange(-20, 20, 0.001))) > 0).all()


@given(calibrations(), margins)
def test_a_margin_gives_the_same_bits_alone_and_in_a_batch(calibration, values):
    batch = calibration.probability(values)
    alone = np.concatenate([calibration.probability(values[at : at + 1]) for at in range(values.size)])
    assert batch.tobytes() == alone.tobytes()


@given(st.floats(-30, 30))
def test_logistic_is_as_exact_as_the_standard_library(value):
    assert logistic(np.array([value]))[0] == pytest.approx(1 / (1 + math.exp(-value)), rel=1e-15, abs=0)


@given(st.floats(0.1, 3), st.floats(-3, 3), st.floats(-5, 5))
def test_platt_is_the_logistic_of_a_line(slope, intercept, margin):
    probability = Calibration.platt(slope, intercept).probability(np.array([margin]))[0]
    assert probability == pytest.approx(1 / (1 + math.exp(-(slope * margin + intercept))))


@given(calibrations())
def test_knots_are_met_exactly_and_json_keeps_every_bit(calibration):
    again = Calibration.model_validate_json(calibration.model_dump_json())
    assert again == calibration
    np.testing.assert_array_equal(
        again.probability(np.array(again.margins)), logistic(np.clip(np.array(again.log_odds), -30, 30))
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"slope_above": 0.0},
        {"slope_below": -1.0},
        {"margins": (0.0, 0.0)},
        {"log_odds": (1.0, 0.5)},
        {"margins": (0.0,)},
        {"margins": (), "log_odds": ()},
        {"log_odds": (0.0, float("nan"))},
    ],
)
def test_a_map_that_does_not_rise_is_refused(fault):
    whole = {"method": "isotonic", "margins": (0.0, 1.0), "log_odds": (0.0, 1.0), "slope_below": 1, "slope_above": 1}
    with pytest.raises(ValidationError):
        Calibration(**(whole | fault))


@given(calibrations(), st.floats(-25, 25))
def test_the_margin_of_a_probability_leads_back_to_it(calibration, log_odds):
    probability = float(logistic(np.array([log_odds]))[0])
    margin = calibration.margin(probability)
    (back,) = calibration.probability(np.array([margin]))
    assert back == pytest.approx(probability, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("probability", [0.0, 1.0, 1e-14, -0.5, 2.0])
def test_no_margin_reaches_a_probability_beyond_the_bounds(probability):
    assert Calibration.platt(slope=1.0, intercept=0.0).margin(probability) is None
