"""Figures of a scoring model, in numpy alone: serving's monitor and training must report the same numbers.

Everywhere: labels are 0 or 1 (1 = default) of shape (n,), both classes present where ranks are compared; scores and
probabilities are of shape (n,), higher = riskier.
"""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]

_SHRINKAGE = 1e-4


def auc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve: the chance that a defaulter outranks a payer, ties counted half (Mann-Whitney)."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2
    positives = int(np.count_nonzero(labels == 1))
    negatives = labels.size - positives
    wins = middle_rank[inverse][labels == 1].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def expected_auc(true_probabilities: Scores, scores: Scores) -> float:
    """AUC over all labels that true probabilities allow: each client is a defaulter and a payer, by its probability.

    A client is paired with itself as a tie, which matters on few clients only.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    defaulters = np.add.reduceat(true_probabilities[order], starts)
    payers = np.add.reduceat(1 - true_probabilities[order], starts)
    below = np.cumsum(payers) - payers
    return float(np.sum(defaulters * (below + payers / 2)) / (defaulters.sum() * payers.sum()))


def average_precision(labels: Labels, scores: Scores) -> float:
    """Area under the precision-recall curve as the step-wise sum of precision x recall gained."""
    defaulters, clients = _cumulative(labels, scores)
    gained = np.diff(defaulters, prepend=0) / defaulters[-1]
    return float(np.sum(defaulters / clients * gained))


def kolmogorov_smirnov(labels: Labels, scores: Scores) -> float:
    """KS: the largest gap between the score distributions of defaulters and payers."""
    defaulters, clients = _cumulative(labels, scores)
    payers = clients - defaulters
    return float(np.max(np.abs(defaulters / defaulters[-1] - payers / payers[-1])))


def brier(labels: Labels, probabilities: Scores) -> float:
    """Mean squared error of the probabilities."""
    return float(np.mean((probabilities - labels) ** 2))


def log_loss(labels: Labels, probabilities: Scores) -> float:
    """Mean negative log-likelihood; probabilities lie strictly inside (0, 1)."""
    return float(-np.mean(np.where(labels == 1, np.log(probabilities), np.log1p(-probabilities))))


def reliability(labels: Labels, probabilities: Scores, bins: int = 10) -> NDArray[np.float64]:
    """Mean probability, default rate and share of clients per bin of equal mass, shape (bins, 3), by rising risk.

    With fewer clients than bins there is one bin per client.
    """
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, order.size))
    rows = [(probabilities[part].mean(), labels[part].mean(), part.size / order.size) for part in parts]
    return np.array(rows, dtype=np.float64)


def expected_calibration_error(labels: Labels, probabilities: Scores, bins: int = 10) -> float:
    """ECE: mean gap between probability and default rate over bins of equal mass."""
    predicted, observed, share = reliability(labels, probabilities, bins).T
    return float(np.sum(share * np.abs(predicted - observed)))


def wilson_interval(events: NDArray[np.int64], clients: NDArray[np.int64]) -> tuple[Scores, Scores]:
    """95 % interval of a share (Wilson, 1927), low and high: holds for small groups and for shares near 0 and 1.

    Args:
        events: such as defaults, of any shape.
        clients: that they are counted among, the same shape, at least 1 each.
    """
    z = 1.959963984540054
    share = events / clients
    shrunk = (share + z * z / (2 * clients)) / (1 + z * z / clients)
    half = z / (1 + z * z / clients) * np.sqrt(share * (1 - share) / clients + z * z / (4 * clients * clients))
    return np.clip(shrunk - half, 0.0, share), np.clip(shrunk + half, share, 1.0)


def calibration_line(labels: Labels, probabilities: Scores) -> tuple[float, float]:
    """Slope and intercept of the labels' log-odds on the probabilities' log-odds (Cox, 1958): 1 and 0 are perfect.

    A slope below 1 means probabilities that are too extreme. Maximum likelihood by Newton's method, in bounded steps
    and with a trace of shrinkage to the perfect line: outcomes that a cut parts completely have no finite answer.
    """
    given = np.log(probabilities / (1 - probabilities))
    inputs = np.column_stack([given, np.ones_like(given)])
    perfect = np.array([1.0, 0.0])
    line = perfect
    for _ in range(100):
        fitted = 1 / (1 + np.exp(-np.clip(inputs @ line, -30, 30)))
        gradient = inputs.T @ (labels - fitted) - _SHRINKAGE * (line - perfect)
        curvature = (inputs * (fitted * (1 - fitted))[:, None]).T @ inputs + _SHRINKAGE * np.eye(2)
        change = np.clip(np.linalg.solve(curvature, gradient), -1.0, 1.0)
        line = line + change
        if np.abs(change).max() < 1e-9:
            break
    return float(line[0]), float(line[1])


def precision_recall_curve(labels: Labels, scores: Scores) -> tuple[Scores, Scores]:
    """Recall and precision at every distinct score, riskiest first."""
    defaulters, clients = _cumulative(labels, scores)
    return defaulters / defaulters[-1], defaulters / clients


def roc_curve(labels: Labels, scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates at every distinct score, from (0, 0) to (1, 1)."""
    defaulters, clients = _cumulative(labels, scores)
    payers = clients - defaulters
    return np.concatenate([[0.0], payers / payers[-1]]), np.concatenate([[0.0], defaulters / defaulters[-1]])


def _cumulative(labels: Labels, scores: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Defaulters and clients at or above each distinct score, riskiest first."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    defaulters = np.cumsum(labels[order] == 1)[last_of_ties]
    return defaulters, np.flatnonzero(last_of_ties) + 1
