"""Structure checks of a LightGBM text model: its parser trusts its input, so nothing odd may reach it.

Only what training writes is let through: one binary objective, plain trees whose every index stays inside its arrays.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from credit.errors import BundleError

MAX_TREES = 5_000
MAX_LEAVES = 1_024
MAX_BYTES = 64 * 1024 * 1024

_HEADER = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1", "label_index": "0"}
_PER_SPLIT = ("split_feature", "threshold", "decision_type", "left_child", "right_child")


def check_model_text(text: str, feature_names: Sequence[str]) -> int:
    """Check that `text` is a whole, plain binary model over exactly `feature_names`.

    Returns:
        The number of trees.

    Raises:
        BundleError: anything else; says what is wrong.
    """
    if len(text) > MAX_BYTES or not text.isascii():
        raise BundleError(f"model text: more than {MAX_BYTES} bytes, or not ASCII")
    header = _fields(text.partition("\nTree=")[0])
    _check_header(header, feature_names)
    sizes = tree_integers("tree_sizes", header)
    if not 1 <= len(sizes) <= MAX_TREES:
        raise BundleError(f"model text: {len(sizes)} trees, expected 1 to {MAX_TREES}")
    for position, tree in enumerate(model_trees(text)):
        _check_tree(position, tree, len(feature_names))
    return len(sizes)


def model_trees(text: str) -> Iterator[dict[str, str]]:
    """The fields of each tree of a checked model text, in order."""
    head, separator, _ = text.partition("\nTree=")
    sizes = tree_integers("tree_sizes", _fields(head))
    return map(_fields, _trees(text[len(head) + len(separator) - len("Tree=") :], sizes))


def _check_header(fields: dict[str, str], feature_names: Sequence[str]) -> None:
    for key, expected in _HEADER.items():
        if fields.get(key) != expected:
            raise BundleError(f"model text: {key} is {fields.get(key)!r}, expected {expected!r}")
    if not fields.get("objective", "").startswith("binary "):
        raise BundleError("model text: the objective is not binary")
    if fields.get("feature_names", "").split() != list(feature_names):
        raise BundleError("model text: feature names differ from the contract's")
    if fields.get("max_feature_idx") != str(len(feature_names) - 1):
        raise BundleError("model text: the number of features differs from the contract's")


def _trees(text: str, sizes: Sequence[int]) -> Iterator[str]:
    """Cut the trees as LightGBM does, by their stated sizes; nothing may lie between or behind them."""
    start = 0
    for position, size in enumerate(sizes):
        tree = text[start : start + size] if size > 0 else ""
        name, _, body = tree.partition("\n")
        if name != f"Tree={position}" or "Tree=" in body:
            raise BundleError(f"model text: tree sizes do not match the trees at tree {position}")
        yield body
        start += size
    if not text[start:].startswith("end of trees\n"):
        raise BundleError("model text: the trees do not end where their sizes say")


def _check_tree(position: int, fields: dict[str, str], features: int) -> None:
    (leaves,) = tree_integers("num_leaves", fields)
    if not 1 <= leaves <= MAX_LEAVES or fields.get("is_linear", "0") != "0":
        raise BundleError(f"model text: tree {position}: {leaves} leaves, or linear ones")
    lengths = {"leaf_value": leaves} | (dict.fromkeys(_PER_SPLIT, leaves - 1) if leaves > 1 else {})
    for key, length in lengths.items():
        if len(fields.get(key, "").split()) != length:
            raise BundleError(f"model text: tree {position}: {key} does not match the number of leaves")
    if leaves == 1:
        return
    if not all(0 <= feature < features for feature in tree_integers("split_feature", fields)):
        raise BundleError(f"model text: tree {position}: a split names a feature that does not exist")
    _check_children(position, tree_integers("left_child", fields), tree_integers("right_child", fields))
    _check_categories(position, fields)


def _check_children(position: int, left: Sequence[int], right: Sequence[int]) -> None:
    """Every node but the root and every leaf has one parent, an earlier node, so that walks end."""
    splits = len(left)
    children = sorted([*left, *right])
    if children != [*range(-splits - 1, 0), *range(1, splits)]:
        raise BundleError(f"model text: tree {position}: the nodes do not form one tree")
    if any(0 < child <= parent for side in (left, right) for parent, child in enumerate(side)):
        raise BundleError(f"model text: tree {position}: a node comes before its parent")


def _check_categories(position: int, fields: dict[str, str]) -> None:
    """Categorical splits (decision_type bit 0) point, through their threshold, into the bit sets."""
    (count,) = tree_integers("num_cat", fields)
    decisions = tree_integers("decision_type", fields)
    used = [value for value, kind in zip(fields["threshold"].split(), decisions, strict=True) if kind & 1]
    if len(used) != count or not all(value.isdigit() and int(value) < count for value in used):
        raise BundleError(f"model text: tree {position}: categorical splits do not match their sets")
    if count == 0:
        return
    bounds, words = tree_integers("cat_boundaries", fields), tree_integers("cat_threshold", fields)
    rising = all(low < high for low, high in pairwise(bounds))
    if len(bounds) != count + 1 or bounds[0] != 0 or bounds[-1] != len(words) or not rising:
        raise BundleError(f"model text: tree {position}: categorical sets are malformed")


def _fields(block: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.splitlines():
        key, separator, value = line.partition("=")
        if separator and key in found:
            raise BundleError(f"model text: {key[:40]!r} is given twice")
        if separator:
            found[key] = value
    return found


def tree_integers(key: str, fields: dict[str, str]) -> list[int]:
    """The whole numbers of one field.

    Raises:
        BundleError: there are none, or something else.
    """
    try:
        return [int(word) for word in fields[key].split()]
    except (KeyError, ValueError) as error:
        raise BundleError(f"model text: {key} is missing or not whole numbers") from error


def tree_numbers(key: str, fields: dict[str, str]) -> list[float]:
    """The numbers of one field.

    Raises:
        BundleError: there are none, or something else.
    """
    try:
        return [float(word) for word in fields[key].split()]
    except (KeyError, ValueError) as error:
        raise BundleError(f"model text: {key} is missing or not numbers") from error
