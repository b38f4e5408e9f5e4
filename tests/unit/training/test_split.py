import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.errors import TrainingError
from training.split import Part, split_applications

SHARES = {"test": Part(0.2, 10**6), "validation": Part(0.1, 10**6), "calibration": Part(0.15, 10**6)}


def population(seed, clients=1_500, people=1_100):
    rng = np.random.default_rng(seed)
    start = np.datetime64("2022-01-03", "us")
    applied = start + rng.integers(0, 600 * 86_400, clients).astype("timedelta64[s]")
    return applied, rng.integers(0, people, clients), rng.integers(0, 2, clients)


@given(st.integers(0, 2**32 - 1), st.integers(0, 100))
def test_parts_share_neither_rows_nor_persons_and_the_test_is_newest(data_seed, seed):
    applied, persons, labels = population(data_seed)
    split = split_applications(applied, persons, labels, **SHARES, seed=seed)
    parts = [split.train, split.validation, split.calibration, split.test]
    rows = np.concatenate([*parts, split.left_out])
    assert np.array_equal(np.sort(rows), np.arange(labels.size))
    seen = [set(persons[part]) for part in parts]
    assert sum(map(len, seen)) == len(set.union(*seen))
    older = np.concatenate([*parts[:3], split.left_out])
    assert applied[older].max() < applied[split.test].min()
    assert set(persons[split.left_out]) <= seen[3]
    assert split.test.size == pytest.approx(0.2 * labels.size, rel=0.05)


def test_new_applications_move_nobody_between_the_older_parts():
    applied, persons, labels = population(1)
    split = split_applications(applied, persons, labels, **SHARES, seed=3)
    kept = np.sort(np.concatenate([split.train, split.validation, split.calibration]))
    again = split_applications(applied[kept], persons[kept], labels[kept], **SHARES, seed=3)
    assert not set(kept[again.train]) & set(split.validation)
    assert not set(kept[again.calibration]) & set(split.train)


def test_no_part_but_training_grows_beyond_what_it_needs():
    applied, persons, labels = population(4)
    parts = {"test": Part(0.2, 100), "validation": Part(0.1, 60), "calibration": Part(0.15, 80)}
    split = split_applications(applied, persons, labels, **parts, seed=0)
    assert split.test.size == pytest.approx(100, abs=1)
    assert split.validation.size == pytest.approx(60, abs=30)
    assert split.calibration.size == pytest.approx(80, abs=35)
    wider = split_applications(applied, persons, labels, **SHARES, seed=0)
    older = np.setdiff1d(wider.validation, split.test)
    assert not set(older) & set(split.calibration)
    assert not set(wider.calibration) & set(split.validation)


def test_seeds_change_the_draw_and_nothing_else_does():
    applied, persons, labels = population(2)
    first, same, other = (split_applications(applied, persons, labels, **SHARES, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.train, same.train)
    assert not np.array_equal(first.train, other.train)


def test_a_part_without_defaults_is_refused():
    applied, persons, labels = population(3)
    newest = np.argsort(applied)[-400:]
    labels[newest] = 0
    with pytest.raises(TrainingError, match="test part has"):
        split_applications(applied, persons, labels, **SHARES, seed=0)
