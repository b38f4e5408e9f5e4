"""Bins a matrix once for many fits: cross-validation and tuning fit the same rows again and again."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from credit.schemas.features import FeatureContract

#: Those of LightGBM's parameters that a binned matrix is made by; the others may differ from fit to fit.
_BINNING: Final = {
    "max_bin",
    "feature_pre_filter",
    "seed",
    "deterministic",
    "force_row_wise",
    "num_threads",
    "verbosity",
}


class Layout(NamedTuple):
    """What a matrix holds and how it is binned: names of columns, positions of categories, LightGBM's parameters."""

    names: tuple[str, ...]
    categorical: tuple[int, ...]
    parameters: Mapping[str, Any]


def categorical_columns(contract: FeatureContract) -> tuple[int, ...]:
    """Positions of the contract's categorical features."""
    return tuple(at for at, feature in enumerate(contract.features) if feature.kind == "categorical")


def binned(
    matrix: NDArray[np.float64], labels: NDArray[np.int64], layout: Layout, bins_of: lgb.Dataset | None = None
) -> lgb.Dataset:
    """A binned matrix of shape (n, f), a byte per value; the matrix itself is not kept.

    Args:
        matrix: shape (n, f).
        labels: shape (n,).
        layout: of the matrix.
        bins_of: take the bins of this one instead of making new ones.
    """
    return lgb.Dataset(
        matrix,
        labels,
        reference=bins_of,
        feature_name=list(layout.names),
        categorical_feature=list(layout.categorical),
        params={name: value for name, value in layout.parameters.items() if name in _BINNING},
    ).construct()
