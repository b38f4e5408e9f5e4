"""Makes the parts of a bundle: model, calibration, policy, then figures, importance and reference sample."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle, BundleParts
from credit.calibration import Calibration
from credit.cost import CostMatrix, optimal_threshold
from credit.errors import TrainingError
from credit.metrics import auc
from credit.policy import DecisionPolicy
from credit.progress import step
from credit.reason_codes import reason_texts
from training.baseline import baseline_probabilities
from training.calibrate import calibrate
from training.evaluate import evaluate_model
from training.explain import global_importance
from training.fit import fit
from training.prepare import Prepared
from training.settings import TrainingSettings
from training.threshold import check_threshold

#: A threshold strictly inside (0, 1), also when approving or refusing everybody is cheapest.
_THRESHOLD_BOUNDS = (1e-6, 1 - 1e-6)


def fit_parts(prepared: Prepared, settings: TrainingSettings) -> BundleParts:
    """Model, calibration and policy; figures, importance and reference are still empty."""
    with step("Fit trees", total=settings.trees) as progress:
        booster = fit(prepared, settings, progress)
    matrix, labels = prepared.part("calibration")
    margins = np.asarray(booster.predict(matrix, raw_score=True), dtype=np.float64)
    calibration = calibrate(labels, margins, settings.seed)
    return BundleParts(
        model_text=booster.model_to_string(),
        contract=prepared.contract,
        calibration=calibration,
        policy=_policy(calibration, labels, margins, settings),
        reason_texts=reason_texts().frozen_for(prepared.contract.names),
        reference=b"",
        metrics={},
        importance={},
    )


def complete_parts(
    parts: BundleParts,
    model: Bundle,
    prepared: Prepared,
    settings: TrainingSettings,
    oracle: Mapping[int, float] | None,
) -> BundleParts:
    """Add what is learned by running `model`, the parts in memory.

    Raises:
        TrainingError: the model is too good to be true.
    """
    with step("Judge on unseen clients"):
        metrics = _figures(model, prepared, settings, oracle)
    with step("Explain"):
        importance = global_importance(model, prepared.part("train")[0], settings.explain_rows, settings.seed)
    return replace(parts, metrics=metrics, importance=importance, reference=_reference(model, prepared, settings))


def _policy(
    calibration: Calibration, labels: NDArray[np.int64], margins: NDArray[np.float64], settings: TrainingSettings
) -> DecisionPolicy:
    costs = CostMatrix(false_negative=settings.cost_false_negative, false_positive=settings.cost_false_positive)
    if settings.threshold == "bayes":
        return DecisionPolicy(threshold=costs.bayes_threshold, costs=costs)
    best = optimal_threshold(costs, labels, calibration.probability(margins))
    return DecisionPolicy(threshold=float(np.clip(best.value, *_THRESHOLD_BOUNDS)), costs=costs)


def _figures(
    model: Bundle, prepared: Prepared, settings: TrainingSettings, oracle: Mapping[int, float] | None
) -> dict[str, float]:
    train, train_labels = prepared.part("train")
    test, labels = prepared.part("test")
    probabilities = model.predict(test).probability
    if (area := auc(labels, probabilities)) > settings.leakage_auc:
        raise TrainingError(
            f"the test AUC of {area:.3f} is too good to be true: some features know the label; nothing was registered"
        )
    clients = prepared.dataset.client_ids[prepared.split.test]
    figures = evaluate_model(
        model.policy,
        labels,
        probabilities,
        baseline=baseline_probabilities(prepared, most_rows=settings.baseline_rows, seed=settings.seed),
        oracle=None if oracle is None else np.array([oracle[int(client)] for client in clients]),
        seed=settings.seed,
    )
    calibration, outcomes = prepared.part("calibration")
    calibrated = model.predict(calibration).probability
    figures |= check_threshold(model.policy, outcomes, calibrated, seed=settings.seed).figures()
    figures["train_auc"] = auc(train_labels, model.predict(train).margin)
    return figures


def _reference(model: Bundle, prepared: Prepared, settings: TrainingSettings) -> bytes:
    """A seeded sample of training clients as Parquet: the features as joined, margin, probability."""
    rows = prepared.split.train
    if rows.size > settings.reference_rows:
        rows = np.sort(np.random.default_rng(settings.seed).choice(rows, settings.reference_rows, replace=False))
    prediction = model.predict(prepared.matrix[rows])
    sample = prepared.dataset.features.select(prepared.contract.names).take(pa.array(rows))
    for name, values in (("margin", prediction.margin), ("probability", prediction.probability)):
        sample = sample.append_column(name, pa.array(values))
    sink = pa.BufferOutputStream()
    pq.write_table(sample, sink, compression="zstd")
    return bytes(sink.getvalue())
