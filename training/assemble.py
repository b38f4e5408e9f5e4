"""Makes the parts of a bundle: model, calibration, policy, then figures, importance and reference sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
from training.cross_validate import CrossValidation, cross_validate
from training.evaluate import evaluate_model
from training.explain import global_importance
from training.fairness import FAIRNESS_FIGURES, fairness_report
from training.fit import fit
from training.prepare import Prepared
from training.settings import TrainingSettings
from training.threshold import check_threshold

#: A threshold strictly inside (0, 1), also when approving or refusing everybody is cheapest.
_THRESHOLD_BOUNDS = (1e-6, 1 - 1e-6)


@dataclass(frozen=True, slots=True)
class Judged:
    """A whole model and what judging it took.

    Attributes:
        parts: of the bundle, complete.
        baseline: probabilities of the logistic regression on the test, shape (n,).
        cross_validation: None where it was left out.
    """

    parts: BundleParts
    baseline: NDArray[np.float64]
    cross_validation: CrossValidation | None


def fit_parts(prepared: Prepared, settings: TrainingSettings) -> BundleParts:
    """Model, calibration and policy; figures, importance and reference are still empty."""
    with step("Fit trees", total=2 * settings.trees) as progress:
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


def judge_parts(
    parts: BundleParts,
    model: Bundle,
    prepared: Prepared,
    settings: TrainingSettings,
    *,
    groups: Mapping[str, Sequence[str]],
    oracle: Mapping[int, float] | None,
) -> Judged:
    """Add what is learned by running `model`, the parts in memory, and by cross-validating its settings.

    Args:
        parts: as `fit_parts` returns them.
        model: made of them.
        prepared: data.
        settings: of training.
        groups: by attribute, the group of each client of the test.
        oracle: true probabilities by client id.

    Raises:
        TrainingError: the model is too good to be true.
    """
    with step("Judge on unseen clients"):
        refuse_the_incredible(model, prepared, settings)
        baseline = baseline_probabilities(prepared, most_rows=settings.baseline_rows, seed=settings.seed)
        metrics = _figures(model, prepared, settings, baseline, oracle)
    with step("Cross-validate", total=settings.folds * model.trees) as progress:
        validated = cross_validate(prepared, settings, model.trees, progress, settings.folds)
    with step("Explain"):
        importance = global_importance(model, prepared.part("train")[0], settings.explain_rows, settings.seed)
    metrics |= validated.metrics() if validated else {}
    metrics |= _fairness(model, prepared, groups)
    reference = _reference(model, prepared, settings)
    complete = replace(parts, metrics=metrics, importance=importance, reference=reference)
    return Judged(complete, baseline, validated)


def refuse_the_incredible(model: Bundle, prepared: Prepared, settings: TrainingSettings) -> None:
    """Refuse a model that knows too much.

    Raises:
        TrainingError: its AUC on the test is above the leakage limit.
    """
    test, labels = prepared.part("test")
    if (area := auc(labels, model.predict(test).margin)) > settings.leakage_auc:
        raise TrainingError(
            f"the test AUC of {area:.3f} is too good to be true: some features know the label; nothing was registered"
        )


def _policy(
    calibration: Calibration, labels: NDArray[np.int64], margins: NDArray[np.float64], settings: TrainingSettings
) -> DecisionPolicy:
    costs = CostMatrix(false_negative=settings.cost_false_negative, false_positive=settings.cost_false_positive)
    if settings.threshold == "bayes":
        return DecisionPolicy(threshold=costs.bayes_threshold, costs=costs)
    best = optimal_threshold(costs, labels, calibration.probability(margins))
    return DecisionPolicy(threshold=float(np.clip(best.value, *_THRESHOLD_BOUNDS)), costs=costs)


def _figures(
    model: Bundle,
    prepared: Prepared,
    settings: TrainingSettings,
    baseline: NDArray[np.float64],
    oracle: Mapping[int, float] | None,
) -> dict[str, float]:
    test, labels = prepared.part("test")
    clients = prepared.dataset.client_ids[prepared.split.test]
    figures = evaluate_model(
        model.policy,
        labels,
        model.predict(test).probability,
        baseline=baseline,
        oracle=None if oracle is None else np.array([oracle[int(client)] for client in clients]),
        seed=settings.seed,
    )
    calibration, outcomes = prepared.part("calibration")
    calibrated = model.predict(calibration).probability
    figures |= check_threshold(model.policy, outcomes, calibrated, seed=settings.seed).figures()
    train, train_labels = prepared.part("train")
    return figures | {"train_auc": auc(train_labels, model.predict(train).margin)}


def _fairness(model: Bundle, prepared: Prepared, groups: Mapping[str, Sequence[str]]) -> dict[str, float]:
    test, labels = prepared.part("test")
    report = fairness_report(labels, model.predict(test).probability, model.policy.threshold, groups)
    return {
        f"fairness_{one.attribute}_{name}": getattr(one, name) for one in report.attributes for name in FAIRNESS_FIGURES
    }


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
