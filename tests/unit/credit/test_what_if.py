import numpy as np
import pytest
from bundles import contract_of, random_views, small_contract

from credit.features import RATIO_INPUTS, RATIO_OUTPUTS
from credit.what_if import StoredFeatures, UnusableFeaturesError, as_stored, repeated

CONTRACT = contract_of("credit_scoring_v1", small_contract().views, RATIO_OUTPUTS)


def test_the_features_are_those_that_the_answer_depends_on():
    names = set(StoredFeatures(CONTRACT).places)
    assert names == {name for view in CONTRACT.views for name in (*view.numeric, *view.strings)}
    without = contract_of("credit_scoring_v1", small_contract().views)
    assert set(StoredFeatures(without).places) == names - {
        "amt_credit", "amt_annuity", "amt_goods_price", "amt_income_total",
    }  # fmt: skip
    assert set(RATIO_INPUTS) <= names


def test_values_are_rounded_as_if_they_were_stored_and_nothing_else_changes():
    stored, views = StoredFeatures(CONTRACT), random_views(CONTRACT, 3, seed=1)
    before = {name: batch.numeric.copy() for name, batch in views.items()}
    values = {"ext_source_1": 0.1, "bureau_credit_count": None, "name_education_type": None, "flag_own_realty": 1}
    changed = stored.changed(views, values)
    places = stored.places
    numeric = changed["application"].numeric
    assert (numeric[:, places["ext_source_1"].position] == np.float32(0.1)).all()
    assert np.isnan(changed["bureau"].numeric[:, places["bureau_credit_count"].position]).all()
    assert [row[places["name_education_type"].position] for row in changed["application"].strings] == [None] * 3
    for name, batch in views.items():
        np.testing.assert_array_equal(batch.numeric, before[name])
        own = [places[one].position for one in values if places[one].view == name and places[one].type != "string"]
        others = np.delete(np.arange(batch.numeric.shape[1]), own)
        np.testing.assert_array_equal(changed[name].numeric[:, others], batch.numeric[:, others])


def test_every_problem_is_told():
    with pytest.raises(UnusableFeaturesError) as caught:
        StoredFeatures(CONTRACT).check({"nothing": 1, "ext_source_1": "x", "ext_source_2": 0.5})
    assert set(caught.value.problems) == {"nothing", "ext_source_1"}
    StoredFeatures(CONTRACT).check(dict.fromkeys(StoredFeatures(CONTRACT).places))


def test_rows_are_repeated_apart():
    views = random_views(CONTRACT, 2, seed=2)
    rows = repeated(views, 4)
    assert {len(batch.status) for batch in rows.values()} == {4}
    assert {len(batch.strings) for batch in rows.values()} == {4}
    rows["bureau"].numeric[0] = 7.0
    np.testing.assert_array_equal(rows["bureau"].numeric[1], views["bureau"].numeric[0])


def test_null_is_stored_as_nan():
    assert np.isnan(as_stored("int32", None))
    assert as_stored("bool", True) == 1.0
