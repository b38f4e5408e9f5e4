"""The inner loops of explaining, compiled by numba at their first call.

Both functions add, cell by cell, in the order of trees, leaves and conditions, so that they give the same bits. The
first is quick for a client alone, the second for many: it does each step for a block of rows at once, which compiles
to vector instructions.
"""

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np

#: Splits of one tree: their outcomes, and the opposites, lie in one word of 64 bits.
MOST_SPLITS: Final = 32
#: Kinds of splits: what a missing number does, or a set of categories.
MISSING_RIGHT, MISSING_LEFT, CATEGORIES = 0, 1, 2
#: Rows of a block: its outcomes and its columns of one split stay in the first cache.
_BLOCK: Final = 64
#: Beyond LightGBM's whole numbers.
_NO_CODE: Final = 2.0**31
_ONE: Final = np.uint64(1)
_OPPOSITE: Final = np.uint64(MOST_SPLITS)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, and keep the machine code beside the source or in the user's cache where either can be written."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither can: a read-only container
        return numba.njit(nogil=True)(function)


@_compiled
def _among(value, split, set_start, set_words, words):  # type: ignore[no-untyped-def]
    """Whether a category's code is in the set that goes left; missing and unknown codes are not."""
    if not 0 <= value < _NO_CODE:
        return False
    code = np.int64(value)
    word = code >> 5
    if word >= set_words[split]:
        return False
    return (words[set_start[split] + word] >> np.uint32(code & 31)) & np.uint32(1) == 1


@_compiled
def explain_rows(rows, splits, paths, found):  # type: ignore[no-untyped-def]
    """Add the contributions of `rows`, shape (n, f), to `found`, shape (n, f + 1)."""
    split_start, split_feature, threshold, kind, set_start, set_words, words = splits
    tree_start, leaf_start, feature, mask, table_start, values = paths
    for row in range(len(rows)):
        numbers, sums = rows[row], found[row]
        for tree in range(len(tree_start) - 1):
            first, end = split_start[tree], split_start[tree + 1]
            outcomes = np.uint64(0)
            for split in range(first, end):
                value = numbers[split_feature[split]]
                if kind[split] == CATEGORIES:
                    left = _among(value, split, set_start, set_words, words)
                else:  # without branches: what a processor cannot guess would cost more than the comparison
                    left = (value <= threshold[split]) | (np.isnan(value) & (kind[split] == MISSING_LEFT))
                outcomes |= np.uint64(left) << np.uint64(split - first)
            outcomes |= (outcomes ^ ((_ONE << np.uint64(end - first)) - _ONE)) << _OPPOSITE
            for leaf in range(tree_start[tree], tree_start[tree + 1]):
                start = leaf_start[leaf]
                size = leaf_start[leaf + 1] - start
                pattern = np.int64(0)
                for one in range(size):
                    wanted = mask[start + one]
                    pattern |= np.int64((outcomes & wanted) == wanted) << one
                entry = table_start[leaf] + pattern * size
                for one in range(size):
                    sums[feature[start + one]] += values[entry + one]


@_compiled
def explain_blocks(rows, splits, paths, found):  # type: ignore[no-untyped-def]
    """What `explain_rows` does, a block of rows at a time."""
    split_start, tree_start = splits[0], paths[0]
    columns = np.empty((rows.shape[1], _BLOCK))
    sums = np.empty((rows.shape[1], _BLOCK))
    outcomes = np.empty(_BLOCK, np.uint64)
    patterns = np.empty(_BLOCK, np.int32)
    for begin in range(0, len(rows), _BLOCK):
        count = min(_BLOCK, len(rows) - begin)
        for row in range(count):
            for column in range(len(columns)):
                columns[column, row] = rows[begin + row, column]
                sums[column, row] = found[begin + row, column]
        for tree in range(len(tree_start) - 1):
            outcomes[:] = 0
            _split_block(columns, count, split_start[tree], split_start[tree + 1], splits, outcomes)
            for leaf in range(tree_start[tree], tree_start[tree + 1]):
                _add_leaf(leaf, count, paths, outcomes, patterns, sums)
        for row in range(count):
            for column in range(len(columns)):
                found[begin + row, column] = sums[column, row]


@_compiled
def _split_block(columns, count, first, end, splits, outcomes):  # type: ignore[no-untyped-def]
    """Set the bits of one tree's outcomes for `count` rows; `columns` is of shape (f, block)."""
    _, split_feature, threshold, kind, set_start, set_words, words = splits
    for split in range(first, end):
        numbers, limit = columns[split_feature[split]], threshold[split]
        left = _ONE << np.uint64(split - first)
        right = left << _OPPOSITE
        if kind[split] == CATEGORIES:
            for row in range(count):
                outcomes[row] |= left if _among(numbers[row], split, set_start, set_words, words) else right
        elif kind[split] == MISSING_LEFT:
            for row in range(count):
                outcomes[row] |= right if numbers[row] > limit else left
        else:
            for row in range(count):
                outcomes[row] |= left if numbers[row] <= limit else right


@_compiled
def _add_leaf(leaf, count, paths, outcomes, patterns, sums):  # type: ignore[no-untyped-def]
    """Add one leaf's table entries to `sums`, shape (f, block), for `count` rows."""
    _, leaf_start, feature, mask, table_start, values = paths
    start = leaf_start[leaf]
    size = leaf_start[leaf + 1] - start
    patterns[:] = 0
    for one in range(size):
        wanted, bit = mask[start + one], np.int32(1 << one)
        for row in range(count):
            patterns[row] |= bit if (outcomes[row] & wanted) == wanted else np.int32(0)
    for one in range(size):
        cells, entry = sums[feature[start + one]], table_start[leaf] + one
        for row in range(count):
            cells[row] += values[entry + patterns[row] * size]
