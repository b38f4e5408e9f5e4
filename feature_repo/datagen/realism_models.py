"""Out-of-fold models of the realism check: how well LightGBM, a linear model and single columns rank the clients."""

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from feature_repo.datagen.realism_features import Frame

FOLDS = 3
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 24,
    "min_data_in_leaf": 150,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "verbose": -1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
}
_ROUNDS = 320


def auc(target: NDArray[np.int64], score: NDArray[np.floating]) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_score(target, score))


def lightgbm_auc(frame: Frame, columns: list[int], threads: int = 2) -> float:
    """Out-of-fold AUC of LightGBM on the columns."""
    names = [frame.names[column] for column in columns]
    categories = [number for number, name in enumerate(names) if name in frame.categorical]
    x = np.ascontiguousarray(frame.values[:, columns])
    score = np.zeros(frame.target.size)
    parameters = _PARAMETERS | {"num_threads": threads}
    for held_out in _folds(frame.target.size):
        data = lgb.Dataset(
            x[~held_out], frame.target[~held_out], categorical_feature=categories, params={"max_cat_to_onehot": 8}
        )
        score[held_out] = lgb.train(parameters, data, _ROUNDS).predict(x[held_out], num_threads=threads)
    return auc(frame.target, score)


def linear_auc(frame: Frame, columns: list[int]) -> float:
    """Out-of-fold AUC of a regularised logistic regression: winsorised, imputed, flagged, one-hot columns."""
    x = _design_matrix(frame, columns)
    score = np.zeros(frame.target.size)
    for held_out in _folds(frame.target.size):
        model = LogisticRegression(C=0.05, max_iter=150, tol=1e-3).fit(x[~held_out], frame.target[~held_out])
        score[held_out] = model.decision_function(x[held_out])
    return auc(frame.target, score)


def column_aucs(frame: Frame) -> dict[str, float]:
    """AUC (or one minus it) of each raw application column alone: numbers as they are, texts by their default rate."""
    found = {}
    for column in frame.raw_columns():
        name, values = frame.names[column], frame.values[:, column]
        present = ~np.isnan(values)
        target, score = frame.target[present], values[present]
        if name in frame.categorical:
            codes = score.astype(np.int64)
            rates = np.bincount(codes, target) / np.maximum(np.bincount(codes), 1)
            score = rates[codes].astype(np.float32)
        value = auc(target, score) if target.any() and np.ptp(score) > 0 else 0.5
        found[name] = max(value, 1 - value)
    return found


def _folds(size: int) -> list[NDArray[np.bool_]]:
    """Held-out masks; clients are independent and in id order, so every FOLDS-th client is a random sample."""
    number = np.arange(size) % FOLDS
    return [number == fold for fold in range(FOLDS)]


def _design_matrix(frame: Frame, columns: list[int]) -> NDArray[np.float32]:
    blocks = []
    for column in columns:
        values = frame.values[:, column]
        if frame.names[column] in frame.categorical:
            codes = np.nan_to_num(values, nan=-1).astype(np.int64) + 1
            blocks.append(np.eye(codes.max() + 1, dtype=np.float32)[codes])
            continue
        missing = np.isnan(values)
        low, middle, high = np.nanquantile(values, [0.005, 0.5, 0.995])
        filled = np.clip(np.where(missing, middle, values), low, high)
        scaled = (filled - filled.mean()) / (filled.std() + 1e-9)
        flag = missing[:, None] if 0.01 < missing.mean() < 0.99 else np.empty((missing.size, 0))
        blocks.append(np.column_stack([scaled, flag]).astype(np.float32))
    return np.concatenate(blocks, axis=1)
