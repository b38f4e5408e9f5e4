"""LightGBM's parameters, from settings and the features' names."""

from collections.abc import Sequence
from typing import Any

from training.monotone import signs
from training.settings import TrainingSettings

#: Below this many rows, threads wait for each other longer than they work, most of all on a busy machine.
_PARALLEL_ROWS = 50_000


def parameters(settings: TrainingSettings, names: Sequence[str], rows: int) -> dict[str, Any]:
    """LightGBM's parameters for a fit on `rows` clients with these features, in this order.

    No class weights: they would make the probabilities meaningless. Fits of other `leaf_clients` may share a binned
    matrix.
    """
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "max_depth": settings.max_depth,
        "min_data_in_leaf": settings.leaf_clients,
        # Hundreds of correlated aggregates: few candidates per tree and strong shrinkage of leaves keep small
        # samples from being learned by heart, at no cost on large ones.
        "lambda_l2": settings.leaf_shrinkage,
        "feature_fraction": settings.feature_share,
        "bagging_fraction": settings.client_share,
        "bagging_freq": 1,
        "cat_smooth": settings.category_smoothing,
        "max_bin": settings.bins,
        "monotone_constraints": signs(names),
        # The default method forbids far more than the constraints ask for.
        "monotone_constraints_method": "intermediate",
        "feature_pre_filter": False,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads if rows >= _PARALLEL_ROWS else 1,
        "verbosity": -1,
    }
