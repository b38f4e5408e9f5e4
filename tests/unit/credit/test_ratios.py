import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from credit.errors import FeatureError
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.schemas.overrides import LARGEST_AMOUNT, NO_OVERRIDES, OVERRIDABLE, Overrides, override_columns
from feature_repo.catalogue import load_catalogue

values = st.floats(-1e9, 1e9, width=32) | st.just(float("nan")) | st.just(0.0)
amounts = st.floats(0.01, 1e12)
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
    ("scores", "mean", "count"),
    [((0.2, 0.4, 0.6), 0.4, 3), ((0.2, np.nan, 0.6), 0.4, 2), ((0.2,), 0.2, 1)],
)
def test_score_summaries_use_the_scores_present(scores, mean, count):
    ratios = one(**{f"ext_source_{position}": score for position, score in enumerate(scores, start=1)})
    assert ratios["ext_source_mean"] == pytest.approx(mean)
    assert ratios["ext_source_count"] == count


def test_pairs_of_views_are_what_they_say():
    ratios = one(
        ext_source_1=0.7,
        ext_source_3=0.2,
        amt_credit=240_000.0,
        amt_annuity=20_000.0,
        amt_income_total=100_000.0,
        inst_late_share=0.25,
        bureau_debt_ratio_active_mean=0.5,
        bureau_closed_share=0.6,
        bureau_active_count=2.0,
        prev_application_count=3.0,
        prev_refused_share=0.3,
        bureau_days_since_credit_mean=730.5,
    )
    assert ratios["ext_source_sum"] == pytest.approx(0.2 - 0.3)
    assert ratios["ext_source_sum_by_term"] == pytest.approx(-0.1 * 12)
    assert ratios["ext_source_sum_by_lateness"] == pytest.approx(-0.1 * 0.25)
    assert ratios["debt_by_burden"] == pytest.approx(0.5 * 0.2)
    assert ratios["lateness_by_open_credits"] == pytest.approx(0.25 * 0.4)
    assert ratios["refusals_by_credit_age"] == pytest.approx(0.1)
    assert ratios["debt_burden_interaction"] == pytest.approx((0.5 - 0.35) * (0.2 - 0.17))
    assert ratios["refusals_age_interaction"] == pytest.approx((0.3 - 0.1) * (3.2 - 2.0))


def test_no_running_credit_is_no_debt_and_no_request_no_refusal_but_an_unread_view_is_not():
    known = {"amt_annuity": 20_000.0, "amt_income_total": 100_000.0, "bureau_days_since_credit_mean": 730.5}
    nothing = one(**known, bureau_active_count=0.0, prev_application_count=0.0)
    assert nothing["debt_burden_interaction"] == pytest.approx(-0.35 * 0.03)
    assert nothing["refusals_age_interaction"] == pytest.approx(-0.1 * 1.2)
    unread = one(**known)
    assert np.isnan(unread["debt_burden_interaction"])
    assert np.isnan(unread["refusals_age_interaction"])


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


def bits(features):
    return {name: values.tobytes() for name, values in features.items()}


@given(tables, st.data())
def test_an_override_counts_as_if_it_were_stored_and_null_leaves_what_is_stored(table, data):
    size = table.shape[1]
    stated = data.draw(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(OVERRIDABLE, amounts)), max_size=size))
    stated += [{}] * (size - len(stated))
    stored = columns(table)
    replaced = {name: values.copy() for name, values in stored.items()}
    for row, amounts_of_row in enumerate(stated):
        for name, amount in amounts_of_row.items():
            replaced[name][row] = np.float32(amount)
    overridden = application_ratios(stored, override_columns([Overrides(**one) for one in stated]))
    assert bits(overridden) == bits(application_ratios(replaced))
    np.testing.assert_array_equal(table, np.array(list(columns(table).values())))


@given(tables)
def test_overriding_nothing_changes_no_bit(table):
    nulls = {name: np.full(table.shape[1], np.nan) for name in OVERRIDABLE}
    plain = bits(application_ratios(columns(table)))
    assert plain == bits(application_ratios(columns(table), override_columns([NO_OVERRIDES] * table.shape[1])))
    assert plain == bits(application_ratios(columns(table), nulls))


def test_overriding_an_amount_with_itself_changes_nothing_although_it_is_stored_with_less_precision():
    stored = {name: np.array([np.nan]) for name in RATIO_INPUTS} | {
        "amt_credit": np.array([406_597.57], dtype=np.float32).astype(np.float64)
    }
    assert stored["amt_credit"][0] != 406_597.57
    assert bits(application_ratios(stored)) == bits(
        application_ratios(stored, override_columns([Overrides(amt_credit=406_597.57)]))
    )


def test_an_override_is_rounded_as_the_catalogue_stores_what_it_replaces():
    stored = {feature.name: feature.type for feature in load_catalogue().view("application").features}
    assert {stored[name] for name in OVERRIDABLE} == {"float32"}


def test_the_effective_amounts_are_features_and_no_view_of_the_callers_arrays():
    stored = {name: np.array([2.0]) for name in RATIO_INPUTS}
    features = application_ratios(stored, {"amt_annuity": np.array([8.0])})
    assert [features[f"requested_{name}"][0] for name in OVERRIDABLE] == [2.0, 8.0, 2.0, 2.0]
    assert features["credit_to_annuity"][0] == 0.25
    features["requested_amt_credit"][:] = 7.0
    assert stored["amt_credit"][0] == 2.0


@pytest.mark.parametrize("amount", [0.0, -1.0, 0.009, 2 * LARGEST_AMOUNT, np.inf, -np.inf])
def test_an_impossible_override_is_refused(amount):
    stored = {name: np.ones(2) for name in RATIO_INPUTS}
    with pytest.raises(FeatureError, match="override of amt_credit must lie between"):
        application_ratios(stored, {"amt_credit": np.array([5.0, amount])})
    with pytest.raises(ValidationError, match="amt_credit"):
        Overrides(amt_credit=amount)


def test_other_features_cannot_be_overridden():
    stored = {name: np.ones(1) for name in RATIO_INPUTS}
    with pytest.raises(FeatureError, match="ext_source_1 cannot be overridden"):
        application_ratios(stored, {"ext_source_1": np.ones(1)})
    with pytest.raises(ValidationError, match="ext_source_1"):
        Overrides(ext_source_1=0.5)


@pytest.mark.parametrize("amount", [np.nan, "5", True])
def test_an_override_is_a_number(amount):
    with pytest.raises(ValidationError, match="amt_credit"):
        Overrides(amt_credit=amount)


def test_no_protected_attribute_is_an_input():
    assert not {"days_birth", "code_gender", "cnt_children", "cnt_fam_members", "name_family_status"} & {*RATIO_INPUTS}
