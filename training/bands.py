"""Risk bands on unseen clients: who is in each, and how many of them default."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from credit.metrics import wilson_interval
from credit.policy import DecisionPolicy
from training.bootstrap import Column, Interval, Labels


@dataclass(frozen=True, slots=True)
class BandFigures:
    """One risk band.

    Attributes:
        name: letter.
        clients: number.
        share: of all clients.
        defaults: number.
        mean_probability: of default; NaN in an empty band.
        default_rate: with its Wilson interval; NaN in an empty band.
        points: lowest and highest that the band can have, None where it has no end.
    """

    name: str
    clients: int
    share: float
    defaults: int
    mean_probability: float
    default_rate: Interval
    points: tuple[float | None, float | None]


def band_table(policy: DecisionPolicy, labels: Labels, probabilities: Column) -> tuple[BandFigures, ...]:
    """Every band of the policy, best first, on n clients."""
    position = policy.bands.positions(probabilities)
    ends = [None, *policy.points_of(np.array(policy.bands.cuts)).tolist(), None]
    return tuple(
        _figures(name, labels, probabilities, position == at, (ends[at + 1], ends[at]))
        for at, name in enumerate(policy.bands.names)
    )


def bands_in_order(bands: tuple[BandFigures, ...]) -> bool:
    """Whether default rates rise strictly from band to band; empty bands say nothing."""
    rates = [band.default_rate.value for band in bands if band.clients]
    return all(better < worse for better, worse in pairwise(rates))


def _figures(
    name: str,
    labels: Labels,
    probabilities: Column,
    members: np.ndarray,
    points: tuple[float | None, float | None],
) -> BandFigures:
    clients, defaults = int(members.sum()), int(labels[members].sum())
    unknown = float("nan")
    if not clients:
        return BandFigures(name, 0, 0.0, 0, unknown, Interval(unknown, unknown, unknown), points)
    low, high = wilson_interval(np.array([defaults]), np.array([clients]))
    rate = Interval(defaults / clients, float(low[0]), float(high[0]))
    mean = float(probabilities[members].mean())
    return BandFigures(name, clients, clients / labels.size, defaults, mean, rate, points)
