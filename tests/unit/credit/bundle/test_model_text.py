import re

import pytest
from bundles import bundle_parts, small_contract

from credit.bundle.model_text import check_model_text
from credit.errors import BundleError

CONTRACT = small_contract()


@pytest.fixture(scope="module")
def text():
    return bundle_parts(CONTRACT, trees=5).model_text


def test_a_model_from_training_passes(text):
    assert check_model_text(text, CONTRACT.names) == 5
    assert re.search(r"num_cat=[1-9]", text), "the sample model must have a categorical split"


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        ("version=v4", "version=v3", "version"),
        ("num_class=1", "num_class=9", "num_class"),
        ("objective=binary sigmoid:1", "objective=regression", "objective"),
        ("feature_names=days_", "feature_names=dayz_", "feature names"),
        (r"max_feature_idx=\d+", "max_feature_idx=99", "number of features"),
        ("tree_sizes=", "tree_sizes=1", "tree sizes"),
        (r"tree_sizes=[^\n]*", "tree_sizes=", "0 trees"),
        (r"num_leaves=\d+", "num_leaves=9", "leaves|leaf"),
        (r"num_leaves=\d+", "num_leaves=x", "whole numbers"),
        ("split_feature=", "split_feature=99", "does not exist"),
        (r"(left_child=[^\n]*?)\b1\b", r"\g<1>0", "tree"),
        (r"is_linear=0", "is_linear=1", "linear"),
        (r"num_cat=\d", "num_cat=7", "categorical"),
        ("Tree=1\n", "Tree=7\n", "tree 1"),
        ("end of trees", "end of Trees", "end"),
        ("shrinkage", "shrinkagé", "ASCII"),
    ],
)
def test_an_odd_model_is_refused_with_a_reason(text, pattern, replacement, complaint):
    odd = re.sub(pattern, replacement, text, count=1)
    assert odd != text
    with pytest.raises(BundleError, match=complaint):
        check_model_text(odd, CONTRACT.names)


def test_a_cycle_between_nodes_is_refused(text):
    found = re.search(r"left_child=([^\n]*)\nright_child=([^\n]*)", text)
    left, right = ([int(word) for word in found.group(side).split()] for side in (1, 2))
    places = {child: (side, at) for side in (left, right) for at, child in enumerate(side) if child > 0}
    # Swap a node's own subtree with a leaf below it, keeping every array's length and the set of children.
    last = max(places)
    side, at = places[last]
    own = left if left[last] < 0 else right
    side[at], own[last] = own[last], side[at]
    crafted = "left_child=" + " ".join(map(str, left)) + "\nright_child=" + " ".join(map(str, right))
    odd = text.replace(found.group(0), crafted, 1)
    with pytest.raises(BundleError, match="tree"):
        check_model_text(odd, CONTRACT.names)


@pytest.mark.parametrize("text", ["", "tree", "version=v4\n", "\nTree=0\n"])
def test_fragments_are_refused(text):
    with pytest.raises(BundleError):
        check_model_text(text, CONTRACT.names)
