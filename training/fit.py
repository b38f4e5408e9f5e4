"""Fits LightGBM: deterministic, without class weights, stopped early on validation log-loss."""

import lightgbm as lgb

from credit.progress import Step
from training.monotone import signs
from training.prepare import Prepared
from training.settings import TrainingSettings

#: Below this many rows, threads wait for each other longer than they work, most of all on a busy machine.
_PARALLEL_ROWS = 50_000


def fit(prepared: Prepared, settings: TrainingSettings, progress: Step) -> lgb.Booster:
    """The model of the best iteration; the same data and settings give the same text."""
    categorical = [at for at, feature in enumerate(prepared.contract.features) if feature.kind == "categorical"]
    matrix, labels = prepared.part("train")
    training = lgb.Dataset(matrix, labels, feature_name=list(prepared.contract.names), categorical_feature=categorical)
    validation = training.create_valid(*prepared.part("validation"))
    fitted = lgb.train(
        parameters(settings, labels.size) | {"monotone_constraints": signs(prepared.contract.names)},
        training,
        num_boost_round=settings.trees,
        valid_sets=[validation],
        callbacks=[
            lgb.early_stopping(settings.patience, verbose=False),
            lambda _: progress.advance(),
        ],
    )
    return lgb.Booster(model_str=fitted.model_to_string(num_iteration=fitted.best_iteration))


def parameters(settings: TrainingSettings, rows: int) -> dict[str, object]:
    """LightGBM's parameters for a training part of `rows`.

    No class weights: they would make the probabilities meaningless.
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
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads if rows >= _PARALLEL_ROWS else 1,
        "verbosity": -1,
    }
