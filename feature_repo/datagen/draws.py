"""Vectorised draws: marginals from quantiles or shares, counts, ids, ragged rows."""

from statistics import NormalDist

import numpy as np

from feature_repo.datagen.columns import Floats, Ints

#: Amounts of the portfolio are multiples of this unit (its currency is scaled).
AMOUNT_UNIT = 4.5
_NORMAL = NormalDist()
#: Standard normal values of the quantile levels 0, .01, .05, .1, .25, .5, .75, .9, .95, .99, 1; the extremes are
#: placed where a portfolio of some 100,000 rows ends.
_LONG = np.array([-4.3, *(_NORMAL.inv_cdf(q) for q in (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)), 4.3])
_SHORT = np.array([_NORMAL.inv_cdf(q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)])


def from_quantiles(z: Floats, points: Floats | list[float]) -> Floats:
    """Map standard normal values to a marginal given by 11 (long) or 5 (short) quantile points."""
    levels = _LONG if len(points) == _LONG.size else _SHORT
    mapped: Floats = np.interp(z, levels, points)
    return mapped


def from_shares(z: Floats, shares: Floats) -> Ints:
    """Map standard normal values to codes 0..n-1, in order, so that code i has share `shares[i]`."""
    cumulative = np.clip(np.cumsum(shares)[:-1], 1e-12, 1 - 1e-12)
    edges = np.array([_NORMAL.inv_cdf(float(level)) for level in cumulative])
    return np.searchsorted(edges, z).astype(np.int64)


def pick(rng: np.random.Generator, shares: Floats, size: int) -> Ints:
    """Independent codes 0..n-1 with the given shares, shape (size,)."""
    cumulative = np.cumsum(shares)
    return np.searchsorted(cumulative / cumulative[-1], rng.random(size), side="right").astype(np.int64)


def pick_rows(rng: np.random.Generator, weights: Floats) -> Ints:
    """One code per row of `weights` (n, k), drawn in proportion to the row's weights."""
    cumulative = np.cumsum(weights, axis=1)
    level = rng.random(weights.shape[0]) * cumulative[:, -1]
    codes: Ints = (level[:, None] >= cumulative).sum(axis=1).astype(np.int64)
    return codes


def upper_tail(share: float) -> float:
    """The standard normal value above which lies `share`."""
    return _NORMAL.inv_cdf(1 - share)


def negative_binomial(rng: np.random.Generator, mean: Floats, size: float) -> Ints:
    """Counts with the given means and variance mean + mean^2 / size (a gamma mixture of Poisson counts)."""
    return rng.poisson(rng.gamma(size, mean / size)).astype(np.int64)


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    probability: Floats = 0.5 * (1 + np.tanh(0.5 * x))
    return probability


def expand(counts: Ints) -> tuple[Ints, Ints]:
    """Owner index and position within the owner for `counts[i]` rows of owner i."""
    owners = np.repeat(np.arange(counts.size, dtype=np.int64), counts)
    starts = np.cumsum(counts) - counts
    return owners, np.arange(owners.size, dtype=np.int64) - starts[owners]


def to_units(amounts: Floats, unit: float = AMOUNT_UNIT) -> Floats:
    """Amounts rounded to multiples of `unit`."""
    rounded: Floats = np.round(amounts / unit) * unit
    return rounded


def unique_ids(rng: np.random.Generator, first: int, block: int, size: int) -> Ints:
    """`size` distinct ids in random order out of [first, first + block).

    Raises:
        ValueError: if the block is too small.
    """
    if size > block:
        raise ValueError(f"{size} ids do not fit into a block of {block}")
    return first + rng.permutation(block)[:size].astype(np.int64)
