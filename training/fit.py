"""Fits LightGBM: deterministic, without class weights, stopped early on validation log-loss."""

import lightgbm as lgb

from credit.progress import Step
from training.prepare import Prepared
from training.settings import TrainingSettings


def fit(prepared: Prepared, settings: TrainingSettings, progress: Step) -> lgb.Booster:
    """The model of the best iteration; the same data and settings give the same text."""
    categorical = [at for at, feature in enumerate(prepared.contract.features) if feature.kind == "categorical"]
    matrix, labels = prepared.part("train")
    training = lgb.Dataset(matrix, labels, feature_name=list(prepared.contract.names), categorical_feature=categorical)
    validation = training.create_valid(*prepared.part("validation"))
    fitted = lgb.train(
        parameters(settings),
        training,
        num_boost_round=settings.trees,
        valid_sets=[validation],
        callbacks=[
            lgb.early_stopping(settings.patience, verbose=False),
            lambda _: progress.advance(),
        ],
    )
    return lgb.Booster(model_str=fitted.model_to_string(num_iteration=fitted.best_iteration))


def parameters(settings: TrainingSettings) -> dict[str, object]:
    """LightGBM's parameters. No class weights: they would make the probabilities meaningless."""
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "max_depth": settings.max_depth,
        "min_data_in_leaf": 40,
        "lambda_l2": 5.0,
        "feature_fraction": 0.4,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "cat_smooth": 30.0,
        "max_bin": 127,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "verbosity": -1,
    }
