"""Finds the smallest single change that turns a decision round, exactly: at the model's own thresholds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.counterfactual.dials import Dial, dials_of
from credit.counterfactual.mutable import MutableFeatures
from credit.counterfactual.turning_points import TurningPoints
from credit.counterfactual.values import Keys
from credit.schemas.features import ViewBatch
from credit.what_if import repeated

#: Rows that the model scores for one search, at most; beyond them lie changes that are larger than all tried.
MOST_EVALUATIONS: Final = 8_192
_FIRST_CHUNK: Final = 128

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SmallestChange:
    """A change of one stored feature that turns the decision round.

    Attributes:
        feature: which.
        rule: what the client would do.
        before: its value.
        after: the nearest value on the other side.
        distance: how far that is, in spans that hold the middle 90 % of the reference clients.
        margin: of the changed client.
        probability: of the changed client.
    """

    feature: str
    rule: MutableFeatures
    before: float
    after: float
    distance: float
    margin: float
    probability: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        change: the smallest one, or None.
        features: that were tried: the mutable ones that are not null.
        evaluations: rows that the model scored.
        complete: False when larger changes than those tried remain.
    """

    change: SmallestChange | None
    features: tuple[str, ...]
    evaluations: int
    complete: bool


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Values to try, the nearest first: each belongs to one dial and starts another step of the margin."""

    dial: NDArray[np.intp]
    value: Column
    distance: Column

    def chunk(self, start: int, end: int) -> "_Candidates":
        return _Candidates(self.dial[start:end], self.value[start:end], self.distance[start:end])


class CounterfactualSearch:
    """Searches with one model; holds no other state, so that any number of threads may share it.

    Args:
        bundle: the model.
        rules: which features are mutable; the platform's own by default.
    """

    def __init__(self, bundle: Bundle, rules: Mapping[str, MutableFeatures] | None = None) -> None:
        self._bundle = bundle
        self.dials = dials_of(bundle, rules)
        self._points = TurningPoints(bundle, self.dials)

    def smallest_change(
        self, views: Mapping[str, ViewBatch], threshold: float, most: int = MOST_EVALUATIONS
    ) -> SearchResult:
        """The smallest change of one mutable feature that moves a client across the threshold.

        Args:
            views: rows of one client.
            threshold: probability of default from which on the client is refused.
            most: rows to score at most.
        """
        start = self._bundle.predict(self._bundle.matrix(views)).probability[0]
        refused = bool(start >= threshold)
        stored = np.array([views[dial.place.view].numeric[0, dial.place.position] for dial in self.dials])
        known = [at for at, value in enumerate(stored) if not np.isnan(value)]
        candidates = self._candidates(views, stored, known, refused)
        tried, total = 0, len(candidates.value)
        names = tuple(self.dials[at].name for at in known)
        for begin, end in _chunks(min(total, most)):
            chunk = candidates.chunk(begin, end)
            prediction = self._bundle.predict(self._bundle.matrix(self._changed(views, chunk)))
            tried = end
            turned = np.flatnonzero((prediction.probability >= threshold) != refused)
            if turned.size:
                first = int(turned[0])
                change = self._change(chunk, first, stored, prediction.margin[first], prediction.probability[first])
                return SearchResult(change, names, tried + 1, complete=True)
        return SearchResult(None, names, tried + 1, complete=total <= most)

    def _change(
        self, chunk: _Candidates, at: int, stored: Column, margin: np.float64, probability: np.float64
    ) -> SmallestChange:
        number = int(chunk.dial[at])
        return SmallestChange(
            feature=self.dials[number].name,
            rule=self.dials[number].rule,
            before=float(stored[number]),
            after=float(chunk.value[at]),
            distance=float(chunk.distance[at]),
            margin=float(margin),
            probability=float(probability),
        )

    def _candidates(
        self, views: Mapping[str, ViewBatch], stored: Column, known: Sequence[int], refused: bool
    ) -> _Candidates:
        """The nearest value of every step of the margin, along every dial, in the directions that it may go."""
        turning = self._points.of(views, known)
        numbers: list[NDArray[np.intp]] = [np.empty(0, dtype=np.intp)]
        values: list[Column] = [np.empty(0)]
        distances: list[Column] = [np.empty(0)]
        for at in known:
            dial = self.dials[at]
            keys = _nearest(turning[at], dial, dial.order.key(stored[at]), refused)
            found = dial.order.values(keys)
            numbers.append(np.full(keys.size, at, dtype=np.intp))
            values.append(found)
            distances.append(np.abs(found - stored[at]) / dial.spread)
        dial_numbers, value, distance = np.concatenate(numbers), np.concatenate(values), np.concatenate(distances)
        order = np.argsort(distance, kind="stable")
        return _Candidates(dial_numbers[order], value[order], distance[order])

    def _changed(self, views: Mapping[str, ViewBatch], chunk: _Candidates) -> dict[str, ViewBatch]:
        """One row of the client for each candidate."""
        rows = repeated(views, len(chunk.value))
        for at in np.unique(chunk.dial):
            place, mine = self.dials[at].place, chunk.dial == at
            rows[place.view].numeric[mine, place.position] = chunk.value[mine]
        return rows


def _nearest(points: Keys, dial: Dial, current: int, refused: bool) -> Keys:
    """Of every step between two turning points, the place nearest to the current one, within the dial's limits."""
    above = np.append(points[points >= current] + 1, dial.low)
    below = np.append(points[points < current], dial.high)
    above = above[(above > current) & dial.rule.may_rise(refused)]
    below = below[(below < current) & dial.rule.may_fall(refused)]
    keys = np.concatenate([np.maximum(above, dial.low), np.minimum(below, dial.high)])
    return np.unique(keys[(keys >= dial.low) & (keys <= dial.high)])


def _chunks(total: int) -> Iterator[tuple[int, int]]:
    """Growing ones: most searches end early, and the others should not ask often."""
    start, size = 0, _FIRST_CHUNK
    while start < total:
        yield start, min(start + size, total)
        start, size = start + size, size * 2
