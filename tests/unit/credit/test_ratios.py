import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios

values = st.floats(-1e9, 1e9, width=32) | st.just(float("nan")) | st.just(0.0)
tables = st.integers(1, 40).flatmap(lambda n: arrays(np.float64, (len(RATIO_INPUTS), n), elements=values))


def columns(table):
    return dict(zip(RATIO_INPUTS, table, strict=True))


def one(**given):
    ratios = application_ratios({name: np.array([given.get(name, np.nan)]) for name in RATIO_INPUTS})
    return {name: value[0] for name, value in ratios.items()}


def test_ratios_of_a_known_application():
    ratios = one(amt_credit=406_597.5, amt_annuity=24_700.5, amt_income_total=202_500.0, amt_goods_price=351_000.0)
    assert ratios["credit_to_annuity"] == pytest.approx(406_597.5 / 24_700.5)
    assert ratios["annuity_to_income"] == pytest.approx(0.121978, abs=1e-6)
    assert ratios["credit_to_goods"] == pytest.approx(1.158397, abs=1e-6)
    assert ratios["goods_minus_credit"] == -55_597.5


def test_division_by_zero_is_missing_not_infinite():
    assert np.isnan(one(amt_credit=1.0, amt_annuity=0.0)["credit_to_annuity"])
    assert np.isnan(one(amt_credit=0.0, amt_annuity=0.0)["credit_to_annuity"])


@pytest.mark.parametrize(
    ("scores", "mean", "std", "count"),
    [((0.2, 0.4, 0.6), 0.4, np.std([0.2, 0.4, 0.6]), 3), ((0.2, np.nan, 0.6), 0.4, 0.2, 2), ((0.2,), 0.2, np.nan, 1)],
)
def test_score_summaries_use_the_scores_present(scores, mean, std, count):
    ratios = one(**{f"ext_source_{position}": score for position, score in enumerate(scores, start=1)})
    assert ratios["ext_source_mean"] == pytest.approx(mean)
    assert ratios["ext_source_std"] == pytest.approx(std, nan_ok=True)
    assert ratios["ext_source_count"] == count


def test_no_external_score_gives_missing_summaries():
    ratios = one()
    assert ratios.pop("ext_source_count") == 0
    assert all(np.isnan(value) for value in ratios.values())


@given(tables)
def test_outputs_are_declared_finite_or_missing_and_inputs_unchanged(table):
    before = table.copy()
    ratios = application_ratios(columns(table))
    assert tuple(ratios) == RATIO_OUTPUTS
    assert all(column.dtype == np.float64 and column.shape == table[0].shape for column in ratios.values())
    assert not any(np.isinf(column).any() for column in ratios.values())
    np.testing.assert_array_equal(table, before)


@given(tables)
def test_a_row_gives_the_same_bits_alone_and_in_a_batch(table):
    batch = application_ratios(columns(table))
    for row in range(table.shape[1]):
        alone = application_ratios(columns(table[:, row : row + 1]))
        assert all(alone[name].tobytes() == batch[name][row : row + 1].tobytes() for name in RATIO_OUTPUTS)


def test_no_protected_attribute_is_an_input():
    assert not {"days_birth", "code_gender", "cnt_children", "cnt_fam_members", "name_family_status"} & {*RATIO_INPUTS}
