import numpy as np
import pytest

from credit.errors import TrainingError
from credit.schemas.features import ContractFeature, FeatureContract, ViewColumn, ViewSpec
from training.leakage import refuse_leaks


def contract(category=None):
    kinds = {name: "categorical" if name == category else "numeric" for name in ("a", "b", "c")}
    columns = tuple(
        ViewColumn(name=name, type="string" if kind == "categorical" else "float32") for name, kind in kinds.items()
    )
    view = ViewSpec(name="v", columns=columns, ttl_seconds=1, missing_policy="impute")
    features = tuple(ContractFeature(name=name, view="v", kind=kind) for name, kind in kinds.items())
    return FeatureContract(service="s", features=features, views=(view,), categories={})


def columns(seed=0, clients=500):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, clients)
    return rng.normal(size=(clients, 3)), labels


def test_honest_columns_pass():
    matrix, labels = columns()
    matrix[:, 1] += labels  # strong, not leaked
    refuse_leaks(matrix, labels, contract(), 0.95)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_column_that_tells_the_label_is_named(sign):
    matrix, labels = columns()
    matrix[:, 1] = sign * labels + 0.1 * matrix[:, 1]
    with pytest.raises(TrainingError, match=r"b \(AUC"):
        refuse_leaks(matrix, labels, contract(), 0.95)


def test_a_column_whose_absence_tells_the_label_is_named():
    matrix, labels = columns()
    matrix[labels == 1, 2] = np.nan
    with pytest.raises(TrainingError, match=r"c \(AUC"):
        refuse_leaks(matrix, labels, contract(), 0.95)


def test_empty_and_constant_columns_pass():
    matrix, labels = columns()
    matrix[:, 0], matrix[:, 1] = np.nan, 4.0
    refuse_leaks(matrix, labels, contract(), 0.95)


def test_categories_that_tell_the_label_are_named_whatever_their_codes():
    matrix, labels = columns()
    rng = np.random.default_rng(1)
    matrix[:, 1] = rng.integers(0, 10, labels.size) * 2 + labels  # even codes pay, odd ones do not
    with pytest.raises(TrainingError, match=r"b \(AUC"):
        refuse_leaks(matrix, labels, contract("b"), 0.95)


def test_many_rare_categories_are_no_leak():
    matrix, labels = columns()
    matrix[:, 1] = np.arange(labels.size) // 2
    refuse_leaks(matrix, labels, contract("b"), 0.95)


def test_a_few_clients_with_a_value_are_no_evidence():
    matrix, labels = columns()
    known = np.concatenate([np.flatnonzero(labels == 1)[:3], np.flatnonzero(labels == 0)[:40]])
    matrix[:, 0] = np.nan
    matrix[known, 0] = labels[known]
    refuse_leaks(matrix, labels, contract(), 0.95)
