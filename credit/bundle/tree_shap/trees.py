"""The trees of a LightGBM text model: their splits, and the conditions that lead to each leaf."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit.bundle.model_text import model_trees, tree_integers, tree_numbers
from credit.errors import BundleError

_ROOT: Final = 0
#: Bits of LightGBM's decision_type; without the last two, a missing number counts as zero.
_CATEGORICAL, _DEFAULT_LEFT, _ZERO_MISSING, _NAN_MISSING = 1, 2, 4, 8
#: Numbers that LightGBM takes for zero lie beyond the first of these and up to the second.
_AROUND_ZERO: Final = (math.nextafter(-float(np.float32(1e-35)), -1.0), float(np.float32(1e-35)))


@dataclass(frozen=True, slots=True)
class Split:
    """One split: numbers up to `threshold` go left, or categories of a set.

    Attributes:
        feature: position in the matrix.
        missing_left: where a missing number goes; a missing category goes right.
        categories: bits of the codes that go left, in words of 32; empty where numbers are split.
    """

    feature: int
    threshold: float
    missing_left: bool
    categories: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """All splits on one feature along a path: the nodes to be left towards either side.

    Attributes:
        share: of the training clients at those splits that went this way, multiplied over the splits.
    """

    feature: int
    left: tuple[int, ...]
    right: tuple[int, ...]
    share: float


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf's margin, its share of the training clients, and one condition for each feature on its path."""

    value: float
    share: float
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """Splits and leaves in LightGBM's order. `zero_is_missing`: some split sends zeros where missing numbers go."""

    splits: tuple[Split, ...]
    leaves: tuple[Leaf, ...]
    zero_is_missing: bool

    def mean(self) -> float:
        """Margin of the mean training client."""
        return sum(leaf.value * leaf.share for leaf in self.leaves)


def trees(model_text: str) -> Iterator[Tree]:
    """The trees of a checked text model, in order.

    Raises:
        BundleError: a tree lacks the numbers of training clients, without which SHAP values are undefined.
    """
    for position, fields in enumerate(model_trees(model_text)):
        values = tree_numbers("leaf_value", fields)
        if len(values) == 1:
            yield Tree((), (Leaf(values[0], 1.0, ()),), zero_is_missing=False)
            continue
        structure = _Structure(position, fields)
        yield Tree(
            splits=_splits(fields),
            leaves=tuple(structure.leaf(number, value) for number, value in enumerate(values)),
            zero_is_missing=any(kind & _ZERO_MISSING for kind in tree_integers("decision_type", fields)),
        )


def split_thresholds(trees: Sequence[Tree], features: int) -> tuple[NDArray[np.float64], ...]:
    """By feature, every number at which some tree splits it, rising; of categories there are none.

    Along one feature the margin changes nowhere else than between numbers up to a threshold and those beyond it.
    LightGBM takes numbers next to zero for zero, so that thresholds there stand beside them.
    """
    found: list[set[float]] = [set() for _ in range(features)]
    for tree in trees:
        around_zero = _AROUND_ZERO if tree.zero_is_missing else ()
        for split in tree.splits:
            if not split.categories:
                found[split.feature].update((_beside_zero(split.threshold), *around_zero))
    return tuple(np.array(sorted(thresholds), dtype=np.float64) for thresholds in found)


def _beside_zero(threshold: float) -> float:
    below, above = _AROUND_ZERO
    if not below < threshold < above:
        return threshold
    return below if threshold < 0 else above


def _splits(fields: dict[str, str]) -> tuple[Split, ...]:
    sets = _sets(fields)
    features, decisions = tree_integers("split_feature", fields), tree_integers("decision_type", fields)
    return tuple(
        Split(
            feature=feature,
            threshold=threshold,
            missing_left=bool(decision & _DEFAULT_LEFT) if decision & _NAN_MISSING else threshold >= 0,
            categories=sets[int(threshold)] if decision & _CATEGORICAL else (),
        )
        for feature, threshold, decision in zip(features, tree_numbers("threshold", fields), decisions, strict=True)
    )


def _sets(fields: dict[str, str]) -> list[tuple[int, ...]]:
    if tree_integers("num_cat", fields) == [0]:
        return []
    bounds, words = tree_integers("cat_boundaries", fields), tree_integers("cat_threshold", fields)
    return [tuple(words[low:high]) for low, high in pairwise(bounds)]


class _Structure:
    """Who is below whom in one tree, and how many training clients were there."""

    def __init__(self, position: int, fields: dict[str, str]) -> None:
        self._feature = tree_integers("split_feature", fields)
        self._nodes = tree_integers("internal_count", fields)
        self._leaves = tree_integers("leaf_count", fields)
        splits = len(self._feature)
        if len(self._nodes) != splits or len(self._leaves) != splits + 1 or min(*self._nodes, *self._leaves) < 1:
            raise BundleError(f"model text: tree {position}: numbers of training clients are missing or not positive")
        #: Of every node and leaf (as its negative number), the node above it and whether it is on its left.
        self._above = {
            child: (node, left)
            for side, left in (("left_child", True), ("right_child", False))
            for node, child in enumerate(tree_integers(side, fields))
        }

    def leaf(self, number: int, value: float) -> Leaf:
        sides: dict[int, tuple[list[int], list[int]]] = {}
        shares: dict[int, float] = {}
        child = -number - 1
        while child != _ROOT:
            node, went_left = self._above[child]
            feature = self._feature[node]
            sides.setdefault(feature, ([], []))[0 if went_left else 1].append(node)
            shares[feature] = shares.get(feature, 1.0) * self._count(child) / self._nodes[node]
            child = node
        conditions = (Condition(one, tuple(left), tuple(right), shares[one]) for one, (left, right) in sides.items())
        return Leaf(value, self._leaves[number] / self._nodes[_ROOT], tuple(conditions))

    def _count(self, child: int) -> int:
        return self._leaves[-child - 1] if child < 0 else self._nodes[child]
