"""The search against brute force: every threshold of the model, and a fine grid between here and the answer."""

import io
from dataclasses import replace
from functools import cache

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bundles import bundle_parts, contract_of, random_views, small_contract
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.bundle.bundle import Bundle
from credit.bundle.encoding import MatrixEncoder
from credit.counterfactual.dials import dials_of
from credit.counterfactual.mutable import MutableFeatures
from credit.counterfactual.search import CounterfactualSearch
from credit.features import RATIO_OUTPUTS
from credit.reason_codes import ReasonText
from credit.schemas.overrides import OVERRIDABLE
from credit.what_if import StoredFeatures

TEXT = ReasonText(en="act", fr="agir")


def rule(name, direction="either", low=0.0, high=None):
    return MutableFeatures(features=(name,), towards_approval=direction, low=low, high=high, text=TEXT)


RULES = {
    **{name: rule(name, low=0.01, high=1e12) for name in OVERRIDABLE},
    "bureau_debt_sum": rule("bureau_debt_sum", "down"),
    "bureau_credit_count": rule("bureau_credit_count", high=2.0),
    "bureau_debt_ratio_active_mean": rule("bureau_debt_ratio_active_mean", "up", low=-3.0),
}


@cache
def model(seed):
    """A model that heeds every feature about alike, fitted on clients with possible amounts."""
    contract = contract_of("credit_scoring_v1", small_contract().views, RATIO_OUTPUTS)
    parts = bundle_parts(contract, seed=seed, trees=2)
    matrix = MatrixEncoder(contract).from_views(possible(random_views(contract, 2_000, seed=seed)))
    rng = np.random.default_rng(seed)
    heeded = [at for at, name in enumerate(contract.names) if name in RULES or name in RATIO_OUTPUTS]
    weights = np.where(np.isin(np.arange(len(contract.names)), heeded), rng.choice([-1.0, 1.0], len(contract.names)), 0)
    labels = (np.tanh(np.nan_to_num(matrix)) @ weights + rng.normal(size=len(matrix)) > 0).astype(float)
    data = lgb.Dataset(matrix, labels, feature_name=list(contract.names))
    options = {"objective": "binary", "num_leaves": 8, "seed": seed, "verbose": -1, "num_threads": 1}
    options |= {"feature_fraction": 0.3, "deterministic": True, "force_row_wise": True}
    text = lgb.train(options, data, num_boost_round=25).model_to_string()
    reference = io.BytesIO()
    pq.write_table(pa.table(dict(zip(contract.names, matrix[:200].T, strict=True))), reference)
    return Bundle(f"{seed:064d}", None, replace(parts, model_text=text, reference=reference.getvalue()))


@cache
def search(seed, names=tuple(RULES)):
    return CounterfactualSearch(model(seed), {name: RULES[name] for name in names})


def client(bundle, seed):
    return possible(random_views(bundle.contract, 1, seed=seed + 1_000_000))


def possible(views):
    """With possible amounts and whole counts."""
    application, bureau = views["application"], views["bureau"]
    amounts = [application.spec.numeric.index(name) for name in OVERRIDABLE]
    application.numeric[:, amounts] = np.float32(np.abs(application.numeric[:, amounts]) + 0.02)
    count = bureau.spec.numeric.index("bureau_credit_count")
    bureau.numeric[:, count] = np.abs(np.round(bureau.numeric[:, count]))
    return views


def probabilities(bundle, views, name, values):
    """Of the client with each of the values in turn."""
    stored = StoredFeatures(bundle.contract)
    return np.array(
        [
            bundle.predict(bundle.matrix(stored.changed(views, {name: float(value)}))).probability[0]
            for value in np.atleast_1d(values)
        ]
    )


def stored_value(bundle, views, name):
    place = StoredFeatures(bundle.contract).places[name]
    return float(views[place.view].numeric[0, place.position])


def allowed(name, values, now, refused):
    """Where the rule lets the feature go, written down a second time."""
    low, high = RULES[name].low, RULES[name].high or np.inf
    way = RULES[name].towards_approval
    rises = way == "either" or (way == "up") == refused
    falls = way == "either" or (way == "down") == refused
    inside = (values >= low) & (values <= high)
    return values[inside & (((values > now) & rises) | ((values < now) & falls))]


def tried_by_hand(bundle, views, name, reach, rng):
    """Values within `reach`: neighbours of every threshold in the feature's own units, and a grid at random."""
    now = stored_value(bundle, views, name)
    values = rng.uniform(now - reach, now + reach, 60)
    if name in bundle.contract.names:
        thresholds = bundle.split_thresholds[bundle.contract.names.index(name)]
        values = np.concatenate([values, thresholds, thresholds + 1e-6, np.floor(thresholds), np.floor(thresholds) + 1])
    if name == "bureau_credit_count":
        return np.unique(np.round(values))
    return np.unique(np.float32(values).astype(np.float64))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2),
    st.integers(0, 10_000),
    st.floats(0.85, 1.15),
    st.lists(st.sampled_from([*RULES]), min_size=1, max_size=3, unique=True),
)
def test_the_change_turns_the_decision_and_no_smaller_one_does(seed, number, factor, names):
    bundle, views = model(seed), client(model(seed), number)
    start = float(bundle.predict(bundle.matrix(views)).probability[0])
    threshold = min(start * factor, 0.999)
    refused = start >= threshold
    found = search(seed, tuple(names)).smallest_change(views, threshold)
    change = found.change
    assert found.complete
    if change is not None:
        (after,) = probabilities(bundle, views, change.feature, change.after)
        assert after == change.probability
        assert (after >= threshold) != refused
        assert change.after in allowed(change.feature, np.array([change.after]), change.before, refused)
        assert change.before == stored_value(bundle, views, change.feature)
    rng = np.random.default_rng(number)
    for dial in search(seed, tuple(names)).dials:
        now = stored_value(bundle, views, dial.name)
        if np.isnan(now):
            assert dial.name not in found.features
            continue
        reach = (3.0 if change is None else change.distance) * dial.spread
        values = allowed(dial.name, tried_by_hand(bundle, views, dial.name, reach, rng), now, refused)
        nearer = values[np.abs(values - now) < reach * (1 - 1e-12)]
        if nearer.size:
            assert not ((probabilities(bundle, views, dial.name, nearer) >= threshold) != refused).any()


@pytest.mark.parametrize("name", RULES)
def test_a_change_of_every_kind_turns_some_decision_and_not_every_one(name):
    changes = []
    for number in range(40):
        views = client(model(0), number)
        start = float(model(0).predict(model(0).matrix(views)).probability[0])
        towards_approval = number % 2
        threshold = start * (0.97 if towards_approval else 1.01)
        changes.append(search(0, (name,)).smallest_change(views, threshold).change)
    found = [change for change in changes if change is not None]
    assert 1 <= len(found) < len(changes)
    assert {change.feature for change in found} == {name}


@pytest.mark.parametrize("name", ["bureau_debt_sum", "bureau_credit_count"])
def test_of_a_feature_that_the_model_eats_itself_brute_force_finds_the_same(name):
    bundle, found = model(0), 0
    thresholds = bundle.split_thresholds[bundle.contract.names.index(name)]
    below = np.floor(thresholds) if name == "bureau_credit_count" else np.float32(thresholds)
    if below.dtype == np.float32:
        below = np.where(below > thresholds, np.nextafter(below, np.float32(-np.inf)), below)
    above = below + 1 if below.dtype == np.float64 else np.nextafter(below, np.float32(np.inf))
    edges = np.unique(np.concatenate([below, above, [RULES[name].low]]).astype(np.float64))
    for number in range(60):
        views = client(bundle, number)
        now = stored_value(bundle, views, name)
        if np.isnan(now):
            continue
        start = float(bundle.predict(bundle.matrix(views)).probability[0])
        threshold = start if number % 2 else np.nextafter(start, 1.0)
        refused = start >= threshold
        values = allowed(name, edges, now, refused)
        turning = values[(probabilities(bundle, views, name, values) >= threshold) != refused] if values.size else []
        expected = min(turning, key=lambda value: abs(value - now), default=None)
        change = search(0, (name,)).smallest_change(views, threshold).change
        assert (None if change is None else change.after) == expected
        found += change is not None
    assert found > 5


def test_the_neighbour_on_this_side_does_not_turn_it():
    """Of an amount, which the model knows through request-time features only."""
    only = {"amt_annuity": RULES["amt_annuity"]}
    searching, found = CounterfactualSearch(model(1), only), 0
    for number in range(30):
        views = client(model(1), number)
        start = float(model(1).predict(model(1).matrix(views)).probability[0])
        change = searching.smallest_change(views, start).change  # refused by a hair
        if change is None:
            continue
        found += 1
        back = np.nextafter(np.float32(change.after), np.float32(change.before))
        (turned,) = probabilities(model(1), views, "amt_annuity", change.after)
        (kept,) = probabilities(model(1), views, "amt_annuity", back)
        assert turned < start <= kept
    assert found > 5


def test_nothing_flips_a_decision_beyond_reach():
    views = client(model(0), 3)
    found = search(0).smallest_change(views, 1e-12)
    assert found.change is None
    assert found.complete
    assert set(found.features) <= set(RULES)


def test_the_number_of_evaluations_is_bounded_and_told():
    views = client(model(0), 3)
    whole = search(0).smallest_change(views, 1e-12)
    cut = search(0).smallest_change(views, 1e-12, most=10)
    assert whole.evaluations > cut.evaluations == 11
    assert not cut.complete


def test_values_outside_the_limits_move_inside_at_least():
    views = client(model(0), 3)
    place = StoredFeatures(model(0).contract).places["bureau_debt_sum"]
    views[place.view].numeric[0, place.position] = -2.5
    for threshold in np.linspace(0.05, 0.9, 30):
        change = search(0).smallest_change(views, threshold).change
        assert change is None or change.feature != "bureau_debt_sum" or change.after >= 0


def test_a_feature_without_spread_has_no_dial():
    parts = bundle_parts(small_contract())
    flat = replace(parts, reference=_flat(parts.reference, "bureau_debt_sum"))
    names = [dial.name for dial in dials_of(Bundle("0" * 64, None, flat))]
    assert "bureau_debt_sum" not in names
    assert "bureau_debt_sum" in [dial.name for dial in dials_of(Bundle("0" * 64, None, parts))]


def _flat(reference, name):
    table = pq.read_table(io.BytesIO(reference))
    at = table.column_names.index(name)
    sink = io.BytesIO()
    pq.write_table(table.set_column(at, name, pa.array(np.ones(table.num_rows))), sink)
    return sink.getvalue()


@pytest.mark.parametrize("low", [0.01, 1e-30])
def test_limits_hold_after_rounding(low):
    only = {"amt_credit": rule("amt_credit", low=low, high=1e12)}
    (dial,) = dials_of(model(0), only)
    assert dial.order.values(np.array([dial.low]))[0] >= low
    assert dial.order.values(np.array([dial.high]))[0] <= 1e12
