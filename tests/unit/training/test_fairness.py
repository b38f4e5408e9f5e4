"""Group figures against counting by hand; parity and its opposite; who is judged."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.fairness import fairness_groups, fairness_report


@given(st.integers(0, 2**31), st.integers(2, 80))
def test_group_figures_are_what_counting_gives(seed, clients):
    rng = np.random.default_rng(seed)
    labels, risk = rng.integers(0, 2, clients), rng.random(clients)
    groups = [str(one) for one in rng.choice(["a", "b", "c"], clients)]
    (attribute,) = fairness_report(labels, risk, 0.5, {"x": groups}, small_group=1).attributes
    for figures in attribute.groups:
        rows = [at for at in range(clients) if groups[at] == figures.group]
        payers = [at for at in rows if labels[at] == 0]
        defaulters = [at for at in rows if labels[at] == 1]
        assert figures.clients == len(rows)
        assert figures.approval_rate == pytest.approx(sum(risk[at] < 0.5 for at in rows) / len(rows))
        expected = sum(risk[at] >= 0.5 for at in payers) / len(payers) if payers else None
        assert figures.false_positive_rate == pytest.approx(expected)
        expected = sum(risk[at] < 0.5 for at in defaulters) / len(defaulters) if defaulters else None
        assert figures.false_negative_rate == pytest.approx(expected)
    assert sum(one.clients for one in attribute.groups) == clients


def test_equal_treatment_is_parity_and_unequal_treatment_is_not():
    labels = np.array([0, 0, 1, 1] * 2)
    fair = np.array([0.1, 0.9, 0.1, 0.9] * 2)
    groups = {"x": ["a"] * 4 + ["b"] * 4}
    (attribute,) = fairness_report(labels, fair, 0.5, groups, small_group=1).attributes
    assert (attribute.adverse_impact_ratio, attribute.false_positive_gap, attribute.false_negative_gap) == (1, 0, 0)
    unfair = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    (attribute,) = fairness_report(labels, unfair, 0.5, groups, small_group=1).attributes
    assert attribute.adverse_impact_ratio == 0.25
    assert (attribute.false_positive_gap, attribute.false_negative_gap) == (0.5, 1.0)


def test_a_small_group_is_shown_and_not_judged():
    labels = np.zeros(310, dtype=np.int64)
    risk = np.append(np.full(300, 0.1), np.full(10, 0.9))
    (attribute,) = fairness_report(labels, risk, 0.5, {"x": ["a"] * 300 + ["b"] * 10}).attributes
    assert [one.group for one in attribute.groups] == ["a", "b"]
    assert attribute.judged == ("a",)
    assert attribute.adverse_impact_ratio == 1.0


def test_groups_come_from_demographics_and_null_is_a_group():
    table = pa.table(
        {
            "code_gender": ["F", "M", None],
            "days_birth": pa.array([-24 * 365, -45 * 366, None], pa.int32()),
            "name_family_status": ["Married", None, "Widow"],
        }
    )
    assert fairness_groups(table) == {
        "gender": ["F", "M", "unknown"],
        "age_band": ["below 25", "45 to 54", "unknown"],
        "family_status": ["Married", "unknown", "Widow"],
    }
