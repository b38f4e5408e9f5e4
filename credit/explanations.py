"""Folds exact contributions of model features into business features: what an applicant sees as one reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.reason_codes import Language, ReasonTexts


@dataclass(frozen=True, slots=True)
class BusinessContributions:
    """Contributions by business feature.

    Attributes:
        names: their texts, in the order in which the model first eats one of their features.
        members: model features of each.
        contributions: margin units, shape (n, len(names)).
        base: base value of each client, shape (n,); with the contributions it adds up to the margin.
    """

    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    contributions: NDArray[np.float64]
    base: NDArray[np.float64]

    def importance(self) -> dict[str, float]:
        """Mean absolute contribution by business feature, strongest first."""
        return importance(self.names, self.contributions)


def fold_contributions(
    contributions: NDArray[np.float64], names: Sequence[str], texts: ReasonTexts, language: Language = "en"
) -> BusinessContributions:
    """Add up, client by client, the contributions of features that share a reason text.

    Adding comes before taking absolute values: two features that push against each other say little together.

    Args:
        contributions: of a bundle, margin units, shape (n, f + 1); the last column is the base value.
        names: of the f model features.
        texts: reason texts.
        language: of the names that come out; the groups are the same in each.

    Raises:
        FeatureError: a feature is protected or has no text.
    """
    members: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        members.setdefault(texts.text(name, language), []).append(at)
    folded = [contributions[:, columns].sum(axis=1) for columns in members.values()]
    return BusinessContributions(
        names=tuple(members),
        members=tuple(tuple(names[at] for at in columns) for columns in members.values()),
        contributions=np.column_stack(folded) if folded else np.empty((contributions.shape[0], 0)),
        base=contributions[:, -1],
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a waterfall from the base value to the margin.

    Attributes:
        text: the reason text of its features; None where bars without a place of their own are taken together.
        members: its model features.
        start: margin before it.
        end: margin after it; the next bar's start.
        contribution: what it adds, in margin units.
    """

    text: str | None
    members: tuple[str, ...]
    contribution: float
    start: float
    end: float


def waterfall(folded: BusinessContributions, row: int, top: int | None = None) -> tuple[Bar, ...]:
    """The bars of one client, the strongest first; from the base value they lead to the margin.

    Args:
        folded: contributions by business feature.
        row: the client.
        top: bars that stand alone; the rest follow as one. All stand alone by default.
    """
    pushes = folded.contributions[row]
    order = np.argsort(-np.abs(pushes), kind="stable")
    alone = order if top is None else order[:top]
    parts: list[tuple[str | None, tuple[str, ...], float]] = [
        (folded.names[at], folded.members[at], float(pushes[at])) for at in alone
    ]
    rest = order[len(alone) :]
    if rest.size:
        members = tuple(name for at in rest for name in folded.members[at])
        parts.append((None, members, float(pushes[rest].sum())))
    bars: list[Bar] = []
    start = float(folded.base[row])
    for text, members, contribution in parts:
        bars.append(Bar(text, members, contribution, start, start + contribution))
        start += contribution
    return tuple(bars)


def importance(names: Sequence[str], contributions: NDArray[np.float64]) -> dict[str, float]:
    """Mean absolute contribution by name, strongest first; contributions are of shape (n, len(names))."""
    strength = np.abs(contributions).mean(axis=0)
    return {names[at]: float(strength[at]) for at in np.argsort(-strength, kind="stable")}
