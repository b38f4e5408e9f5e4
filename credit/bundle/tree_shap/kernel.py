"""Explains rows by looking their leaves' tables up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from credit.bundle.tree_shap.compiled import (
    CATEGORIES,
    MISSING_LEFT,
    MISSING_RIGHT,
    MOST_SPLITS,
    explain_blocks,
    explain_rows,
)
from credit.bundle.tree_shap.tables import leaf_tables
from credit.bundle.tree_shap.trees import Split, Tree

#: Conditions of one leaf; its table has 2^d rows.
MOST_CONDITIONS: Final = 8
#: Of all tables together.
MOST_BYTES: Final = 64 * 1024 * 1024
#: Rows from which the block at a time is the quicker one.
_FEW: Final = 4


class TreeShap:
    """Exact SHAP values of one model, equal to LightGBM's `pred_contrib` but for the last bits.

    A row gives the same bits alone and among others.

    Args:
        trees: of the model, in order.
        features: columns of the matrix.

    Raises:
        ValueError: the trees are too deep or too many for tables; `fits` tells beforehand.
    """

    def __init__(self, trees: Sequence[Tree], features: int) -> None:
        if not fits(trees):
            raise ValueError("these trees are too deep or too many to be tabulated")
        self._features = features
        self._base = sum(tree.mean() for tree in trees)
        self._splits = _splits(trees)
        self._paths = _paths(trees)

    def contributions(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """SHAP values in margin units, shape (n, f + 1), of a matrix of shape (n, f); the last column is the base.

        Runs without the interpreter's lock, so that threads can share the work.

        Raises:
            ValueError: the matrix has another shape.
        """
        if matrix.ndim != 2 or matrix.shape[1] != self._features:
            raise ValueError(f"a matrix of shape {matrix.shape}, expected (n, {self._features})")
        found = np.zeros((len(matrix), self._features + 1))
        found[:, -1] = self._base
        explain = explain_rows if len(matrix) < _FEW else explain_blocks
        explain(np.ascontiguousarray(matrix, dtype=np.float64), self._splits.arrays(), self._paths.arrays(), found)
        return found


def fits(trees: Sequence[Tree]) -> bool:
    """Whether these trees can be tabulated, and their tables stay small."""
    sizes = [len(leaf.conditions) for tree in trees for leaf in tree.leaves]
    if max(sizes) > MOST_CONDITIONS or max(len(tree.splits) for tree in trees) > MOST_SPLITS:
        return False
    if any(tree.zero_is_missing for tree in trees):
        return False
    return 8 * sum(size << size for size in sizes) <= MOST_BYTES


@dataclass(frozen=True, slots=True)
class _Splits:
    """All splits one tree after another; tree t has those from `start[t]` to `start[t + 1]`.

    `set_start` and `set_words` say where a categorical split's words lie in `words`.
    """

    start: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    kind: NDArray[np.int8]
    set_start: NDArray[np.int32]
    set_words: NDArray[np.int32]
    words: NDArray[np.uint32]

    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.start, self.feature, self.threshold, self.kind, self.set_start, self.set_words, self.words


@dataclass(frozen=True, slots=True)
class _Paths:
    """All leaves and their conditions; tree t has the leaves from `tree[t]`, leaf l the conditions from `leaf[l]`.

    A condition holds when all bits of its `mask` are set in the word of outcomes. `table[l]` is where the table of
    leaf l begins in `values`.
    """

    tree: NDArray[np.int64]
    leaf: NDArray[np.int64]
    feature: NDArray[np.int32]
    mask: NDArray[np.uint64]
    table: NDArray[np.int64]
    values: NDArray[np.float64]

    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.tree, self.leaf, self.feature, self.mask, self.table, self.values


def _splits(trees: Sequence[Tree]) -> _Splits:
    splits = [split for tree in trees for split in tree.splits]
    return _Splits(
        start=_starts(len(tree.splits) for tree in trees),
        feature=np.array([split.feature for split in splits], dtype=np.int32),
        threshold=np.array([split.threshold for split in splits], dtype=np.float64),
        kind=np.array([_kind(split) for split in splits], dtype=np.int8),
        set_start=_starts(len(split.categories) for split in splits)[:-1].astype(np.int32),
        set_words=np.array([len(split.categories) for split in splits], dtype=np.int32),
        words=np.array([word for split in splits for word in split.categories], dtype=np.uint32),
    )


def _kind(split: Split) -> int:
    if split.categories:
        return CATEGORIES
    return MISSING_LEFT if split.missing_left else MISSING_RIGHT


def _paths(trees: Sequence[Tree]) -> _Paths:
    leaves = [leaf for tree in trees for leaf in tree.leaves]
    tables = leaf_tables(leaves)
    conditions = [one for leaf in leaves for one in leaf.conditions]
    return _Paths(
        tree=_starts(len(tree.leaves) for tree in trees),
        leaf=_starts(len(leaf.conditions) for leaf in leaves),
        feature=np.array([one.feature for one in conditions], dtype=np.int32),
        mask=np.array([_mask(one.left, one.right) for one in conditions], dtype=np.uint64),
        table=_starts(table.size for table in tables),
        values=np.concatenate([table.ravel() for table in tables]),
    )


def _mask(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(1 << node for node in left) | sum(1 << (node + MOST_SPLITS) for node in right)


def _starts(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([*lengths])]).astype(np.int64)
