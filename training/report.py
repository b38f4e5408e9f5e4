"""Everything that pictures and model card show of one model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.policy import DecisionPolicy
from training.bands import BandFigures, band_table
from training.bootstrap import Column, Labels
from training.explain import Explanation, explain
from training.fairness import FairnessReport, fairness_report
from training.threshold import ThresholdCheck, check_threshold


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model on n clients of the out-of-time test.

    Attributes:
        policy: threshold, costs, bands and points.
        metrics: as in the bundle, with `_low` and `_high`.
        labels: shape (n,).
        probabilities: calibrated, shape (n,).
        baseline: probabilities of the logistic regression, shape (n,); None where it was not run.
        threshold: check on the calibration part.
        bands: on the test.
        explanation: of a sample of the test.
        fairness: on the test; None without groups.
    """

    policy: DecisionPolicy
    metrics: Mapping[str, float]
    labels: Labels
    probabilities: Column
    baseline: Column | None
    threshold: ThresholdCheck
    bands: tuple[BandFigures, ...]
    explanation: Explanation
    fairness: FairnessReport | None


def report_on(
    bundle: Bundle,
    test: tuple[NDArray[np.float64], Labels],
    calibration: tuple[NDArray[np.float64], Labels],
    *,
    baseline: Column | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    explain_rows: int = 1_000,
    seed: int = 0,
) -> ModelReport:
    """Run a finished bundle on both parts; its figures are taken from the bundle.

    Args:
        bundle: with its metrics.
        test: matrix (n, f) and labels (n,) of the out-of-time test.
        calibration: the same of the calibration part.
        baseline: probabilities of the logistic regression on the test.
        groups: by attribute, the group of each test client.
        explain_rows: most clients to explain.
        seed: of samples and resamples.
    """
    matrix, labels = test
    probabilities = bundle.predict(matrix).probability
    calibrated = bundle.predict(calibration[0]).probability
    return ModelReport(
        policy=bundle.policy,
        metrics=bundle.metrics,
        labels=labels,
        probabilities=probabilities,
        baseline=baseline,
        threshold=check_threshold(bundle.policy, calibration[1], calibrated, seed=seed),
        bands=band_table(bundle.policy, labels, probabilities),
        explanation=explain(bundle, matrix, explain_rows, seed),
        fairness=fairness_report(labels, probabilities, bundle.policy.threshold, groups) if groups else None,
    )
