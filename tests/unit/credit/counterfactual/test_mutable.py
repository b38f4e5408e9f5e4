import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from credit.counterfactual.mutable import MutableFeatures, mutable_features
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.reason_codes import protected_features
from credit.schemas.overrides import OVERRIDABLE

INPUTS = [name for name in mutable_features() if name in RATIO_INPUTS]


def test_every_mutable_feature_is_a_stored_number_of_the_catalogue_and_none_is_protected():
    from feature_repo.catalogue import load_catalogue, online_view_specs

    stored = {name for view in online_view_specs(load_catalogue()) for name in view.numeric}
    assert set(mutable_features()) <= stored
    assert not set(mutable_features()) & protected_features()
    assert set(OVERRIDABLE) <= set(mutable_features())


def test_what_is_past_or_said_by_others_is_not_mutable():
    for name in mutable_features():
        assert not name.startswith(("ext_source", "days_", "prev_refused", "inst_late"))


def test_every_act_is_told_in_both_languages():
    for rule in mutable_features().values():
        assert rule.act("en") != rule.act("fr")
        assert rule.act("en").strip()
        assert rule.act("fr").strip()


@pytest.mark.parametrize(
    ("direction", "refused", "rises", "falls"),
    [
        ("up", True, True, False),
        ("up", False, False, True),
        ("down", True, False, True),
        ("down", False, True, False),
        ("either", True, True, True),
        ("either", False, True, True),
    ],
)
def test_a_client_acts_towards_approval_and_slips_the_other_way(direction, refused, rises, falls):
    rule = MutableFeatures(features=("a",), towards_approval=direction, low=0, text={"en": "a", "fr": "b"})
    assert (rule.may_rise(refused), rule.may_fall(refused)) == (rises, falls)


def test_limits_need_room():
    with pytest.raises(ValidationError, match="room"):
        MutableFeatures(features=("a",), towards_approval="up", low=1, high=1, text={"en": "a", "fr": "b"})


@pytest.mark.parametrize("name", INPUTS)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1.0, 100.0, 1e5]))
def test_request_time_features_rise_or_fall_with_each_mutable_input(name, seed, scale):
    """What the search relies on: along one input no feature turns back, or comes and goes."""
    rng = np.random.default_rng(seed)
    stored = {one: float(np.float32(rng.normal() * scale)) for one in RATIO_INPUTS}
    stored |= {one: float(np.float32(abs(stored[one]) + 0.01)) for one in OVERRIDABLE}
    stored |= {one: np.nan for one in RATIO_INPUTS if rng.random() < 0.1}
    rule = mutable_features()[name]
    spread = np.abs(rng.normal(size=60)) * 10.0 ** rng.integers(-6, 7, 60)
    values = np.unique(np.float32(np.clip(spread, max(rule.low, 0.0101), rule.high or np.inf))).astype(np.float64)
    columns = {one: np.full(values.size, value) for one, value in stored.items()} | {name: values}
    computed = application_ratios(columns)
    for output in RATIO_OUTPUTS:
        absent = np.isnan(computed[output])
        assert absent.all() or not absent.any()
        steps = np.diff(computed[output])
        assert absent.all() or (steps >= 0).all() or (steps <= 0).all()
