import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression

from credit import metrics

pairs = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 30).map(lambda value: value / 31)), min_size=2, max_size=200
)


def columns(rows):
    labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    assume(0 < labels.sum() < labels.size)
    return labels, scores


@given(pairs)
def test_ranking_figures_equal_scikit_learn(rows):
    labels, scores = columns(rows)
    false_positive, true_positive, _ = oracle.roc_curve(labels, scores, drop_intermediate=False)
    assert metrics.auc(labels, scores) == pytest.approx(oracle.roc_auc_score(labels, scores))
    assert metrics.average_precision(labels, scores) == pytest.approx(oracle.average_precision_score(labels, scores))
    assert metrics.kolmogorov_smirnov(labels, scores) == pytest.approx(np.abs(true_positive - false_positive).max())
    np.testing.assert_allclose(metrics.roc_curve(labels, scores), (false_positive, true_positive))


@given(pairs)
def test_probability_figures_equal_scikit_learn(rows):
    labels, scores = columns(rows)
    assert metrics.brier(labels, scores) == pytest.approx(oracle.brier_score_loss(labels, scores))
    assert metrics.log_loss(labels, scores) == pytest.approx(oracle.log_loss(labels, scores))


def test_calibration_error_of_a_perfect_and_a_shifted_forecast():
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0.01, 0.4, 200_000)
    labels = (rng.random(probabilities.size) < probabilities).astype(int)
    assert metrics.expected_calibration_error(labels, probabilities) < 0.005
    assert metrics.expected_calibration_error(labels, probabilities + 0.1) == pytest.approx(0.1, abs=0.005)


def test_reliability_has_equal_mass_and_keeps_the_means():
    rng = np.random.default_rng(1)
    probabilities = rng.uniform(0.01, 0.4, 1_000)
    labels = (rng.random(1_000) < probabilities).astype(int)
    predicted, observed, share = metrics.reliability(labels, probabilities).T
    np.testing.assert_allclose(share, 0.1)
    assert predicted @ share == pytest.approx(probabilities.mean())
    assert observed @ share == pytest.approx(labels.mean())
    assert (np.diff(predicted) > 0).all()


@given(pairs)
def test_the_precision_recall_curve_equals_scikit_learn(rows):
    labels, scores = columns(rows)
    precision, recall, _ = oracle.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(metrics.precision_recall_curve(labels, scores), (recall[-2::-1], precision[-2::-1]))


@given(st.integers(1, 500).flatmap(lambda clients: st.tuples(st.integers(0, clients), st.just(clients))))
def test_wilson_intervals_equal_scipy(counts):
    events, clients = counts
    low, high = metrics.wilson_interval(np.array([events]), np.array([clients]))
    expected = binomtest(events, clients).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert low[0] <= events / clients <= high[0]


def test_the_calibration_line_equals_an_unpenalised_logistic_regression():
    rng = np.random.default_rng(0)
    given_odds = rng.normal(-2, 1, 3_000)
    labels = (rng.random(3_000) < 1 / (1 + np.exp(-(0.7 * given_odds + 0.3)))).astype(np.int64)
    found = metrics.calibration_line(labels, 1 / (1 + np.exp(-given_odds)))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(given_odds[:, None], labels)
    assert found == pytest.approx((fitted.coef_[0, 0], fitted.intercept_[0]), abs=1e-4)
    assert found == pytest.approx((0.7, 0.3), abs=0.2)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
def test_the_calibration_line_of_parted_outcomes_stays_finite(labels):
    slope, intercept = metrics.calibration_line(np.array(labels), np.array([0.1, 0.2, 0.8, 0.9]))
    assert max(abs(slope), abs(intercept)) < 1_000


def test_the_calibration_line_of_true_probabilities_without_spread_is_perfect():
    assert metrics.calibration_line(np.array([0, 1]), np.array([0.5, 0.5])) == (1.0, 0.0)


def test_expected_auc_is_the_mean_over_drawn_labels():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.05, 0.6, 400)
    scores = np.round(true + rng.normal(scale=0.1, size=400), 2)
    drawn = [metrics.auc((rng.random(400) < true).astype(np.int64), scores) for _ in range(2_000)]
    assert metrics.expected_auc(true, scores) == pytest.approx(np.mean(drawn), abs=3e-3)
    assert metrics.expected_auc(true, true) > metrics.expected_auc(true, scores)
