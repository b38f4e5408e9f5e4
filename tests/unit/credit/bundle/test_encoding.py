import dataclasses

import numpy as np
import pytest
from bundles import contract_of, random_views, small_contract
from hypothesis import given
from hypothesis import strategies as st

from credit.bundle.encoding import MatrixEncoder
from credit.errors import BundleError, FeatureError
from credit.features import RATIO_INPUTS, application_ratios
from credit.schemas.features import ContractFeature, FeatureContract, ViewColumn, ViewSpec
from credit.schemas.overrides import OVERRIDABLE, Overrides

CONTRACT = small_contract()
ENCODER = MatrixEncoder(CONTRACT)
WHOLE = {field: getattr(CONTRACT, field) for field in FeatureContract.model_fields}


def column(matrix, name):
    return matrix[:, CONTRACT.names.index(name)]


def table_of(views, **overrides):
    """The rows as a historical join delivers them, request-time features included."""
    columns = {}
    for batch in views.values():
        columns |= {name: batch.numeric[:, at] for at, name in enumerate(batch.spec.numeric)}
        columns |= {name: [row[at] for row in batch.strings] for at, name in enumerate(batch.spec.strings)}
    return columns | application_ratios({name: columns[name] for name in RATIO_INPUTS}, overrides)


def test_columns_stand_in_contract_order():
    views = random_views(CONTRACT, 30)
    matrix = ENCODER.from_views(views)
    numeric = views["application"].numeric
    assert matrix.shape == (30, len(CONTRACT.names))
    np.testing.assert_array_equal(column(matrix, "ext_source_2"), numeric[:, RATIO_INPUTS.index("ext_source_2")])
    np.testing.assert_array_equal(column(matrix, "bureau_debt_sum"), views["bureau"].numeric[:, 1])
    np.testing.assert_array_equal(column(matrix, "credit_to_annuity"), numeric[:, 0] / numeric[:, 1])
    np.testing.assert_array_equal(column(matrix, "requested_amt_credit"), numeric[:, 0])


def test_categories_become_codes_unknown_zero_and_null_missing():
    views = random_views(CONTRACT, 200)
    codes = column(ENCODER.from_views(views), "name_education_type")
    expected = {"cat_0": 1, "cat_1": 2, "cat_2": 3, "cat_3": 4, "never seen": 0, None: np.nan}
    np.testing.assert_array_equal(codes, [expected[row[0]] for row in views["application"].strings])


def test_a_table_and_a_read_batch_give_the_same_bits():
    views = random_views(CONTRACT, 100)
    assert ENCODER.from_columns(table_of(views)).tobytes() == ENCODER.from_views(views).tobytes()


stated_amounts = st.fixed_dictionaries({name: st.none() | st.floats(0.01, 1e12) for name in OVERRIDABLE})


@given(st.lists(stated_amounts, min_size=1, max_size=12))
def test_overrides_give_the_same_bits_in_a_batch_alone_in_a_table_and_as_if_stored(stated):
    views = random_views(CONTRACT, len(stated))
    overrides = [Overrides(**one) for one in stated]
    batch = ENCODER.from_views(views, overrides)
    rows = [ENCODER.from_views(rows_of(views, at), [one]) for at, one in enumerate(overrides)]
    columns = {name: np.array([one[name] for one in stated], dtype=np.float64) for name in OVERRIDABLE}
    application = views["application"]
    replaced = application.numeric.copy()
    for name in OVERRIDABLE:
        at = application.spec.numeric.index(name)
        replaced[:, at] = np.where(np.isnan(columns[name]), replaced[:, at], np.float32(columns[name]))
    stored = views | {"application": dataclasses.replace(application, numeric=replaced)}
    assert batch.tobytes() == np.concatenate(rows).tobytes()
    assert batch.tobytes() == ENCODER.from_columns(table_of(views, **columns)).tobytes()
    assert batch.tobytes() == ENCODER.from_views(stored).tobytes()


def rows_of(views, at):
    """Only the client in row `at`."""
    return {
        name: dataclasses.replace(
            batch,
            status=batch.status[at : at + 1],
            as_of_us=batch.as_of_us[at : at + 1],
            built_us=batch.built_us[at : at + 1],
            numeric=batch.numeric[at : at + 1],
            strings=batch.strings[at : at + 1],
        )
        for name, batch in views.items()
    }


def test_values_come_back_from_codes():
    place = CONTRACT.names.index("name_education_type")
    assert [ENCODER.value(place, code) for code in (1.0, 4.0, 0.0, np.nan)] == ["cat_0", "cat_3", "UNKNOWN", None]
    assert ENCODER.value(0, 12.5) == 12.5
    assert ENCODER.value(0, np.nan) is None


def test_an_absent_view_or_column_is_named():
    views = random_views(CONTRACT, 2)
    with pytest.raises(FeatureError, match="bureau was not read"):
        ENCODER.from_views({"application": views["application"]})
    with pytest.raises(FeatureError, match="ext_source_1"):
        ENCODER.from_columns({name: values for name, values in table_of(views).items() if name != "ext_source_1"})


def test_a_view_of_another_layout_is_refused_and_never_reordered():
    view = CONTRACT.views[1]
    turned = ViewSpec(name=view.name, columns=view.columns[::-1], ttl_seconds=1)
    views = random_views(CONTRACT, 2)
    other = random_views(contract_of("x", (turned,)), 2)
    with pytest.raises(FeatureError, match="laid out differently"):
        ENCODER.from_views(views | other)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"features": (*CONTRACT.features, CONTRACT.features[0])}, "twice"),
        ({"features": ()}, "no features"),
        ({"categories": {}}, "category maps"),
        (
            {"features": (ContractFeature(name="amt_credit", view="nowhere", kind="numeric"),), "categories": {}},
            "nowhere",
        ),
        (
            {"features": (ContractFeature(name="x", view="bureau", kind="numeric"),), "categories": {}},
            "no numeric column x",
        ),
        ({"features": (ContractFeature(name="age_ratio", view=None, kind="numeric"),), "categories": {}}, "age_ratio"),
        ({"views": (CONTRACT.views[0], CONTRACT.views[0])}, "names a view twice"),
    ],
)
def test_a_contradictory_contract_is_refused(change, complaint):
    with pytest.raises(BundleError, match=complaint):
        MatrixEncoder(FeatureContract(**(WHOLE | change)))


def test_request_time_features_need_their_inputs_in_the_views():
    view = ViewSpec(name="application", columns=(ViewColumn(name="amt_credit", type="float32"),), ttl_seconds=1)
    with pytest.raises(BundleError, match="amt_annuity"):
        MatrixEncoder(contract_of("x", (view,), ("credit_to_annuity",)))
