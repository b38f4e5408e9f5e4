"""Exact reasons, against LightGBM's own and against the definition."""

from itertools import combinations
from math import factorial

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.bundle.tree_shap import compiled
from credit.bundle.tree_shap.kernel import MOST_CONDITIONS, TreeShap, fits
from credit.bundle.tree_shap.trees import Leaf, split_thresholds, trees
from credit.errors import BundleError

FEATURES = 6
CATEGORICAL = 4


def _data(rows: int, seed: int) -> np.ndarray:
    """Numbers with gaps, zeros and ties; column 4 holds category codes, some of them never trained on."""
    random = np.random.default_rng(seed)
    data = random.normal(size=(rows, FEATURES)).round(1)
    data[:, CATEGORICAL] = random.integers(-1, 70, rows)
    data[random.random(data.shape) < 0.15] = np.nan
    return data


def _booster(seed: int = 0, trees: int = 12, **parameters: object) -> lgb.Booster:
    data = _data(600, seed)
    filled = np.nan_to_num(data)
    target = (filled[:, 0] * filled[:, 1] + (filled[:, CATEGORICAL] % 3 == 0) + filled[:, 2] > 0.3).astype(float)
    chosen = {"objective": "binary", "max_depth": 4, "num_leaves": 12, "min_data_in_leaf": 5, "verbose": -1}
    chosen |= {"seed": seed, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1.0} | parameters
    dataset = lgb.Dataset(data, target, categorical_feature=[CATEGORICAL], free_raw_data=False)
    return lgb.train(chosen, dataset, trees)


def _kernel(booster: lgb.Booster) -> TreeShap:
    return TreeShap([*trees(booster.model_to_string())], FEATURES)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    depth=st.integers(1, 7),
    leaves=st.integers(2, 31),
    missing=st.booleans(),
    rows=st.sampled_from([1, 3, 4, 65, 130]),
)
def test_contributions_equal_lightgbms_own(seed, depth, leaves, missing, rows):
    booster = _booster(seed, max_depth=depth, num_leaves=leaves, use_missing=missing)
    data = _data(rows, seed + 1)
    data[0, :] = [np.inf, -np.inf, 1e300, 1e-40, 3e9, -0.0]
    own = booster.predict(data, pred_contrib=True)
    found = _kernel(booster).contributions(data)
    np.testing.assert_allclose(found, own, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), booster.predict(data, raw_score=True), rtol=0, atol=1e-12)


def test_a_row_has_the_same_bits_alone_and_among_others():
    kernel, data = _kernel(_booster()), _data(200, 5)
    together = kernel.contributions(data)
    for row in range(0, 200, 7):
        assert np.array_equal(kernel.contributions(data[row : row + 1])[0], together[row])
    assert np.array_equal(kernel.contributions(data[3:70]), together[3:70])


def test_contributions_are_the_shapley_values_of_their_definition():
    booster = _booster(trees=1)
    (tree,) = trees(booster.model_to_string())
    row = _data(1, 9)
    (found,) = _kernel(booster).contributions(row)
    margin = booster.predict(row, raw_score=True)[0]

    def worth(known: tuple[int, ...]) -> float:
        return sum(_expected(leaf, row, booster, known) for leaf in tree.leaves)

    assert worth(tuple(range(FEATURES))) == pytest.approx(margin)
    assert worth(()) == pytest.approx(found[-1])
    for player in range(FEATURES):
        others = [one for one in range(FEATURES) if one != player]
        value = sum(
            factorial(size) * factorial(FEATURES - 1 - size) / factorial(FEATURES)
            * (worth((*known, player)) - worth(known))
            for size in range(FEATURES)
            for known in combinations(others, size)
        )  # fmt: skip
        assert found[player] == pytest.approx(value, abs=1e-12)


def _expected(leaf: Leaf, row: np.ndarray, booster: lgb.Booster, known: tuple[int, ...]) -> float:
    """A leaf's part of the tree's mean over the training clients, where the `known` features are the row's."""
    text = booster.dump_model()["tree_info"][0]["tree_structure"]
    product = leaf.value
    for condition in leaf.conditions:
        if condition.feature not in known:
            product *= condition.share
        else:
            product *= all(_left(text, node, row) for node in condition.left)
            product *= not any(_left(text, node, row) for node in condition.right)
    return product


def _left(node: dict, number: int, row: np.ndarray) -> bool:
    if "split_index" not in node:
        raise LookupError(number)
    if node["split_index"] == number:
        value = row[0, node["split_feature"]]
        if node["decision_type"] == "==":
            return not np.isnan(value) and value >= 0 and str(int(value)) in node["threshold"].split("||")
        if np.isnan(value):
            return node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        return value <= node["threshold"]
    for side in ("left_child", "right_child"):
        try:
            return _left(node[side], number, row)
        except LookupError:
            continue
    raise LookupError(number)


def test_a_tree_of_one_leaf_is_all_base():
    constant = _booster(trees=2, min_data_in_leaf=400)
    found = _kernel(constant).contributions(_data(3, 1))
    assert np.count_nonzero(found[:, :-1]) == 0
    np.testing.assert_allclose(found[:, -1], constant.predict(_data(3, 1), raw_score=True), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_leaves": compiled.MOST_SPLITS + 2, "max_depth": -1, "min_data_in_leaf": 1},
        {"zero_as_missing": True},
    ],
)
def test_trees_beyond_the_tables_are_told_beforehand(parameters):
    parsed = [*trees(_booster(**parameters).model_to_string())]
    assert not fits(parsed)
    with pytest.raises(ValueError, match="tabulated"):
        TreeShap(parsed, FEATURES)


def test_a_path_of_too_many_features_does_not_fit():
    random = np.random.default_rng(0)
    data = random.normal(size=(4_000, 12))
    target = (data > -0.7).all(axis=1).astype(float)
    chosen = {"objective": "binary", "num_leaves": 24, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1}
    parsed = [*trees(lgb.train(chosen, lgb.Dataset(data, target), 3).model_to_string())]
    assert max(len(leaf.conditions) for tree in parsed for leaf in tree.leaves) > MOST_CONDITIONS
    assert not fits(parsed)


def test_another_number_of_columns_is_refused():
    kernel = _kernel(_booster())
    for wrong in (np.zeros((2, FEATURES + 1)), np.zeros(FEATURES)):
        with pytest.raises(ValueError, match="expected"):
            kernel.contributions(wrong)


def test_no_rows_give_no_contributions():
    assert _kernel(_booster()).contributions(np.empty((0, FEATURES))).shape == (0, FEATURES + 1)


@pytest.mark.parametrize("key", ["leaf_count", "internal_count"])
def test_a_model_without_training_counts_is_refused(key):
    text = _booster(trees=1).model_to_string()
    broken = "\n".join(f"{key}=" if line.startswith(f"{key}=") else line for line in text.split("\n"))
    sizes = len(broken) - len(text)
    broken = _resized(broken, sizes)
    with pytest.raises(BundleError, match="training clients"):
        list(trees(broken))


def _resized(text: str, by: int) -> str:
    lines = text.split("\n")
    at = next(at for at, line in enumerate(lines) if line.startswith("tree_sizes="))
    lines[at] = f"tree_sizes={int(lines[at].removeprefix('tree_sizes=')) + by}"
    return "\n".join(lines)


def test_code_that_cannot_be_cached_is_compiled_all_the_same():
    scope: dict = {}
    exec("def twice(number):\n    return 2 * number", scope)
    assert compiled._compiled(scope["twice"])(21) == 42


@pytest.mark.parametrize("parameters", [{}, {"zero_as_missing": True}, {"use_missing": False}])
def test_along_a_feature_the_margin_changes_at_its_split_thresholds_only(parameters):
    booster = _booster(seed=3, **parameters)
    found = split_thresholds([*trees(booster.model_to_string())], FEATURES)
    assert not found[CATEGORICAL].size
    rng, moved = np.random.default_rng(1), 0
    for feature in [at for at in range(FEATURES) if at != CATEGORICAL]:
        thresholds = found[feature]
        assert thresholds.size
        assert (np.diff(thresholds) > 0).all()
        values = np.concatenate([thresholds, np.nextafter(thresholds, np.inf), rng.normal(size=300), [0.0, 1e-36]])
        rows = np.repeat(_data(1, 5), values.size, axis=0)
        rows[:, feature] = values
        margins = booster.predict(rows, raw_score=True)
        steps = np.searchsorted(thresholds, values, side="left")
        of_step = {step: set(margins[steps == step]) for step in set(steps.tolist())}
        assert {len(margins) for margins in of_step.values()} == {1}
        moved += len(set(margins.tolist())) > 1
    assert moved
