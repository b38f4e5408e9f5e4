"""The logistic regression: what it encodes, and that it learns."""

import numpy as np
import pytest
from training_data import synthetic_dataset

from credit.metrics import auc
from credit.schemas.features import ContractFeature, FeatureContract
from training.baseline import Encoding, baseline_probabilities
from training.prepare import prepare
from training.settings import TrainingSettings


def contract(*kinds):
    features = tuple(ContractFeature(name=f"f{at}", view=None, kind=kind) for at, kind in enumerate(kinds))
    return FeatureContract(service="s", features=features, views=(), categories={})


def test_ranks_missing_values_and_categories():
    numbers = np.arange(101.0)
    numbers[:20] = np.nan
    codes = np.repeat([1.0, 2.0, 3.0], [60, 40, 1])
    matrix = np.column_stack([numbers, codes, numbers * 7])
    rows = np.arange(101)
    encoding = Encoding.learn(contract("numeric", "categorical", "numeric"), matrix, rows)
    assert encoding.missing == (0,), "both numbers are missing for the same clients"
    assert encoding.categories == ((1, 1.0), (1, 2.0)), "one client is too few for an indicator"
    encoded = encoding.encode(matrix, rows)
    assert encoded.shape == (101, 2 + 1 + 2)
    assert encoded[20, 0] == -0.5
    assert encoded[60, 0] == pytest.approx(0)
    assert encoded[100, 0] == 0.5
    assert (encoded[:20, 0] == 0).all()
    np.testing.assert_array_equal(encoded[:, 2], np.isnan(numbers))
    np.testing.assert_array_equal(encoded[:, 3], codes == 1)


def test_outliers_and_unknown_categories_of_others_stay_inside():
    matrix = np.column_stack([np.arange(50.0), np.ones(50)])
    encoding = Encoding.learn(contract("numeric", "categorical"), matrix, np.arange(50))
    others = np.array([[-1e9, 0.0], [1e9, np.nan]])
    np.testing.assert_array_equal(encoding.encode(others, np.arange(2)), [[-0.5, 0], [0.5, 0]])


def test_a_column_without_any_value_is_left_out():
    matrix = np.full((30, 1), np.nan)
    assert Encoding.learn(contract("numeric"), matrix, np.arange(30)).encode(matrix, np.arange(30)).shape == (30, 0)


def test_it_ranks_unseen_clients_and_repeats_itself():
    prepared = prepare(synthetic_dataset(2_000), TrainingSettings())
    found = baseline_probabilities(prepared, most_rows=10_000, seed=0)
    labels = prepared.part("test")[1]
    assert auc(labels, found) > 0.6
    assert (found > 0).all()
    assert (found < 1).all()
    np.testing.assert_array_equal(found, baseline_probabilities(prepared, most_rows=10_000, seed=0))
    fewer = baseline_probabilities(prepared, most_rows=300, seed=0)
    assert not np.array_equal(found, fewer)
