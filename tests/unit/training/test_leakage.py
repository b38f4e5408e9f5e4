import numpy as np
import pytest

from credit.errors import TrainingError
from training.leakage import refuse_leaks


def columns(seed=0, clients=500):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, clients)
    return rng.normal(size=(clients, 3)), labels


def test_honest_columns_pass():
    matrix, labels = columns()
    matrix[:, 1] += labels  # strong, not leaked
    refuse_leaks(matrix, labels, ("a", "b", "c"), 0.95)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_column_that_tells_the_label_is_named(sign):
    matrix, labels = columns()
    matrix[:, 1] = sign * labels + 0.1 * matrix[:, 1]
    with pytest.raises(TrainingError, match=r"b \(AUC"):
        refuse_leaks(matrix, labels, ("a", "b", "c"), 0.95)


def test_a_column_whose_absence_tells_the_label_is_named():
    matrix, labels = columns()
    matrix[labels == 1, 2] = np.nan
    with pytest.raises(TrainingError, match=r"c \(AUC"):
        refuse_leaks(matrix, labels, ("a", "b", "c"), 0.95)


def test_empty_and_constant_columns_pass():
    matrix, labels = columns()
    matrix[:, 0], matrix[:, 1] = np.nan, 4.0
    refuse_leaks(matrix, labels, ("a", "b", "c"), 0.95)
