import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.datagen.draws import (
    expand,
    from_quantiles,
    from_shares,
    logistic,
    negative_binomial,
    pick,
    pick_rows,
    to_units,
    unique_ids,
)


def test_quantile_mapping_reproduces_the_given_quantiles():
    points = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512], dtype=float)
    values = from_quantiles(np.random.default_rng(0).standard_normal(200_000), points)
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    assert np.quantile(values, levels) == pytest.approx([4, 8, 16, 32, 64], rel=0.05)
    assert values.min() >= 0
    assert values.max() <= 512


def test_shares_are_met_by_ordered_and_by_independent_draws():
    shares = np.array([0.5, 0.3, 0.2])
    rng = np.random.default_rng(0)
    ordered = from_shares(rng.standard_normal(100_000), shares)
    independent = pick(rng, shares, 100_000)
    by_row = pick_rows(rng, np.tile(shares, (100_000, 1)))
    for codes in (ordered, independent, by_row):
        assert np.bincount(codes) / codes.size == pytest.approx(shares, abs=0.01)


def test_negative_binomial_has_the_given_mean_and_dispersion():
    counts = negative_binomial(np.random.default_rng(0), np.full(200_000, 5.0), 2.0)
    assert counts.mean() == pytest.approx(5, rel=0.02)
    assert counts.var() == pytest.approx(5 + 25 / 2, rel=0.05)


@given(st.lists(st.integers(0, 20), max_size=30))
def test_expand_gives_each_owner_its_rows_in_order(counts):
    owners, positions = expand(np.array(counts, dtype=np.int64))
    assert list(zip(owners, positions, strict=True)) == [(o, p) for o, n in enumerate(counts) for p in range(n)]


def test_unique_ids_stay_in_their_block():
    ids = unique_ids(np.random.default_rng(0), 500, 100, 100)
    assert sorted(ids) == list(range(500, 600))
    with pytest.raises(ValueError, match="do not fit"):
        unique_ids(np.random.default_rng(0), 500, 100, 101)


@given(st.floats(-1e6, 1e6))
def test_logistic_is_a_probability(x):
    assert 0 <= logistic(np.array([x]))[0] <= 1


@given(st.floats(0, 1e7))
def test_amounts_are_multiples_of_their_unit(amount):
    rounded = to_units(np.array([amount]))[0]
    assert rounded / 4.5 == round(rounded / 4.5)
    assert abs(rounded - amount) <= 2.25
