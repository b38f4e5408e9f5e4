"""Folds are a partition by person with even classes; the figures are what fitting each fold by hand gives."""

import dataclasses

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_data import synthetic_dataset

from credit.errors import TrainingError
from credit.metrics import auc, log_loss
from credit.progress import step
from training.cross_validate import assign_folds, cross_validate
from training.parameters import parameters
from training.prepare import prepare
from training.settings import TrainingSettings

SETTINGS = TrainingSettings(trees=30, threads=1)
seeds = st.integers(0, 2**31 - 1)


@pytest.fixture(scope="module")
def prepared():
    dataset = synthetic_dataset(1_200)
    # Every tenth client applied twice.
    persons = np.where(np.arange(1_200) % 10 == 1, dataset.persons - 1, dataset.persons)
    return prepare(dataclasses.replace(dataset, persons=persons), SETTINGS)


def run(prepared, folds=3, trees=20):
    with step("Cross-validate") as progress:
        return cross_validate(prepared, SETTINGS, trees, progress, folds)


def spread(fold, labels, folds, label):
    counts = np.bincount(fold[labels == label], minlength=folds)
    return counts.max() - counts.min()


@given(seeds, st.integers(2, 7), st.integers(40, 400), st.floats(0.1, 0.9))
def test_folds_of_single_applications_differ_by_at_most_one_of_each_class(seed, folds, count, share):
    labels = (np.arange(count) < max(share * count, 7)).astype(np.int64)
    labels = np.random.default_rng(seed).permutation(labels)
    if labels.sum() > count - folds:
        labels[np.flatnonzero(labels)[:folds]] = 0
    fold = assign_folds(np.arange(1_000, 1_000 + count), labels, folds, seed)
    assert fold.shape == (count,)
    assert set(fold.tolist()) == set(range(folds))
    assert spread(fold, labels, folds, 1) <= 1
    assert spread(fold, labels, folds, 0) <= 1


@given(seeds, st.integers(2, 5))
def test_nobody_is_in_two_folds_and_classes_stay_even(seed, folds):
    rng = np.random.default_rng(seed)
    persons = np.repeat(np.arange(400), rng.choice([1, 2, 3], 400, p=[0.8, 0.15, 0.05]))
    labels = (rng.random(persons.size) < 0.1).astype(np.int64)
    labels[:folds] = 0
    labels[-3 * folds :] = 1
    fold = assign_folds(persons, labels, folds, seed)
    assert all(np.unique(fold[persons == person]).size == 1 for person in range(400))
    assert spread(fold, labels, folds, 1) <= 3  # the largest person
    assert spread(fold, labels, folds, 0) <= 3


def test_folds_depend_on_the_seed_and_on_persons_not_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    persons, labels = np.arange(300), (rng.random(300) < 0.2).astype(np.int64)
    order = rng.permutation(300)
    fold = assign_folds(persons, labels, 5, seed=1)
    np.testing.assert_array_equal(assign_folds(persons[order], labels[order], 5, seed=1), fold[order])
    assert (assign_folds(persons, labels, 5, seed=2) != fold).any()


def test_each_fold_is_judged_by_a_model_that_never_saw_it(prepared):
    found = run(prepared)
    rows = np.sort(np.concatenate([prepared.split.train, prepared.split.validation]))
    matrix, labels = prepared.matrix[rows], prepared.dataset.labels[rows]
    fold = assign_folds(prepared.dataset.persons[rows], labels, 3, SETTINGS.seed)
    categorical = [at for at, feature in enumerate(prepared.contract.features) if feature.kind == "categorical"]
    for at in range(3):
        inside, outside = fold != at, fold == at
        data = lgb.Dataset(matrix[inside], labels[inside], categorical_feature=categorical)
        booster = lgb.train(parameters(SETTINGS, prepared.contract.names, int(inside.sum())), data, num_boost_round=20)
        probability = booster.predict(matrix[outside])
        # Bins of all rows instead of the fold's own move the figures a little.
        assert found.auc[at] == pytest.approx(auc(labels[outside], probability), abs=0.05)
        assert found.log_loss[at] == pytest.approx(log_loss(labels[outside], probability), abs=0.02)


def test_metrics_are_mean_and_spread_over_the_folds(prepared):
    found = run(prepared)
    metrics = found.metrics()
    assert metrics["cv_folds"] == len(found.auc) == len(found.log_loss) == 3
    assert metrics["cv_auc_mean"] == pytest.approx(sum(found.auc) / 3)
    assert metrics["cv_log_loss_std"] == pytest.approx(np.std(found.log_loss, ddof=1))
    assert 0.6 < metrics["cv_auc_mean"] < 1
    assert run(prepared) == found


def test_calibration_and_test_part_are_not_looked_at(prepared):
    matrix, labels = prepared.matrix.copy(), prepared.dataset.labels.copy()
    for part in (prepared.split.calibration, prepared.split.test, prepared.split.left_out):
        matrix[part], labels[part] = np.nan, 1 - labels[part]
    spoiled = dataclasses.replace(prepared, matrix=matrix, dataset=dataclasses.replace(prepared.dataset, labels=labels))
    assert run(spoiled) == run(prepared)


def test_no_folds_no_cross_validation(prepared):
    assert run(prepared, folds=0) is None


@pytest.mark.parametrize(("folds", "says"), [(1, "at least 2"), (-2, "at least 2"), (500, "fewer folds")])
def test_impossible_folds_are_refused(prepared, folds, says):
    with pytest.raises(TrainingError, match=says):
        run(prepared, folds=folds)
