"""Judges a model on clients it has never seen: ranking, calibration, cost, against two yardsticks."""

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from credit import metrics
from credit.cost import optimal_threshold, total_cost
from credit.policy import DecisionPolicy
from credit.schemas.features import FeatureContract
from training.prepare import Prepared

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


def evaluate(labels: Labels, probabilities: Matrix, policy: DecisionPolicy) -> dict[str, float]:
    """Figures of calibrated probabilities on one part; costs are per client."""
    clients, threshold, costs = labels.size, policy.threshold, policy.costs
    best = optimal_threshold(costs, labels, probabilities)
    return {
        "auc": metrics.auc(labels, probabilities),
        "average_precision": metrics.average_precision(labels, probabilities),
        "ks": metrics.kolmogorov_smirnov(labels, probabilities),
        "brier": metrics.brier(labels, probabilities),
        "log_loss": metrics.log_loss(labels, probabilities),
        "ece": metrics.expected_calibration_error(labels, probabilities),
        "default_rate": float(labels.mean()),
        "mean_probability": float(probabilities.mean()),
        "approval_rate": float(np.mean(probabilities < threshold)),
        "threshold": threshold,
        "cost": total_cost(costs, labels, probabilities, threshold) / clients,
        "cost_approve_all": total_cost(costs, labels, np.zeros(clients), threshold) / clients,
        "cost_best_threshold": best.cost / clients,
        "best_threshold": best.value,
    }


def evaluate_baseline(prepared: Prepared, policy: DecisionPolicy, *, most_rows: int, seed: int) -> dict[str, float]:
    """AUC and cost per client of a logistic regression on the same features: what the trees have to beat."""
    matrix, labels = prepared.part("train")
    if labels.size > most_rows:
        chosen = np.sort(np.random.default_rng(seed).choice(labels.size, most_rows, replace=False))
        matrix, labels = matrix[chosen], labels[chosen]
    baseline = _logistic_regression(prepared.contract, labels.size)
    baseline.fit(matrix, labels)
    test, outcomes = prepared.part("test")
    probabilities = baseline.predict_proba(test)[:, 1]
    return {
        "baseline_auc": metrics.auc(outcomes, probabilities),
        "baseline_cost": total_cost(policy.costs, outcomes, probabilities, policy.threshold) / outcomes.size,
    }


def _logistic_regression(contract: FeatureContract, rows: int) -> Pipeline:
    """Ranks for numbers, indicators for categories and missing values: robust to the heavy tails of amounts."""
    numeric = [at for at, feature in enumerate(contract.features) if feature.kind == "numeric"]
    categorical = [at for at, feature in enumerate(contract.features) if feature.kind == "categorical"]
    ranks = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        QuantileTransformer(n_quantiles=min(100, rows), random_state=0, subsample=10_000),
    )
    indicators = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0), OneHotEncoder(handle_unknown="ignore", min_frequency=20)
    )
    encoded = ColumnTransformer([("ranks", ranks, numeric), ("indicators", indicators, categorical)])
    return make_pipeline(encoded, LogisticRegression(C=0.02, max_iter=2_000, tol=1e-3))
