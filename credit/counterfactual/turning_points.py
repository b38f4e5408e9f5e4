"""Where a model can change its mind along one feature: between two neighbouring values of the feature.

A tree asks only whether a number is at most a threshold. Along one stored feature with all others fixed, each such
answer turns round at most once: the feature itself and every request-time feature rise or fall with it. Between the
places where one turns, the margin is constant.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.counterfactual.dials import Dial
from credit.counterfactual.values import Keys, ValueOrder
from credit.features import RATIO_INPUTS, application_ratios
from credit.schemas.features import ViewBatch

Column = NDArray[np.float64]
Answers = NDArray[np.bool_]
Numbers = NDArray[np.intp]


class TurningPoints:
    """The places of one model's dials at which some tree answers otherwise.

    Args:
        bundle: the model.
        dials: its mutable features.
    """

    def __init__(self, bundle: Bundle, dials: Sequence[Dial]) -> None:
        self._dials = dials
        thresholds = dict(zip(bundle.contract.names, bundle.split_thresholds, strict=True))
        self._direct = [_direct_points(dial, thresholds.get(dial.name, np.empty(0))) for dial in dials]
        self._computed = [feature.name for feature in bundle.contract.features if feature.view is None]
        own = [thresholds[name] for name in self._computed]
        self._limits = np.concatenate([np.empty(0), *own])
        #: To which of the request-time features each limit belongs.
        self._owner = np.repeat(np.arange(len(own), dtype=np.intp), [one.size for one in own])
        self._inputs = {
            name: (view.name, at)
            for view in bundle.contract.views
            for at, name in enumerate(view.numeric)
            if name in RATIO_INPUTS
        }

    def of(self, views: Mapping[str, ViewBatch], known: Sequence[int]) -> dict[int, Keys]:
        """By dial, the last places before an answer changes, rising.

        Args:
            views: rows of one client.
            known: dials to look at.
        """
        found = {at: [self._direct[at]] for at in known}
        inputs = [at for at in known if self._dials[at].name in RATIO_INPUTS] if self._limits.size else []
        for order in dict.fromkeys(self._dials[at].order for at in inputs):
            same = [at for at in inputs if self._dials[at].order == order]
            for at, points in self._computed_points(views, order, same).items():
                found[at].append(points)
        return {at: np.unique(np.concatenate(parts)) for at, parts in found.items()}

    def _computed_points(
        self, views: Mapping[str, ViewBatch], order: ValueOrder, dials: Sequence[int]
    ) -> dict[int, Keys]:
        """The places at which request-time features pass their thresholds: each dial is asked about each of them."""
        times = self._limits.size
        asked = np.repeat(np.array(dials, dtype=np.intp), times)
        low = np.repeat(np.array([self._dials[at].low for at in dials], dtype=np.int64), times)
        high = np.repeat(np.array([self._dials[at].high for at in dials], dtype=np.int64), times)
        points = turning_points(self._answers(views, order, asked), low, high)
        turning = points < high
        return {at: points[turning & (asked == at)] for at in dials}

    def _answers(
        self, views: Mapping[str, ViewBatch], order: ValueOrder, asked: Numbers
    ) -> Callable[[Keys, Numbers], Answers]:
        """Whether a request-time feature is at most a threshold while one dial stands elsewhere."""
        stored = {name: float(views[view].numeric[0, at]) for name, (view, at) in self._inputs.items()}
        times = len(asked) // self._limits.size
        limits, owner = np.tile(self._limits, times), np.tile(self._owner, times)

        def answers(keys: Keys, at: Numbers) -> Answers:
            columns = {name: np.full(at.size, value) for name, value in stored.items()}
            values, turned = order.values(keys), asked[at]
            for number in np.unique(turned):
                columns[self._dials[number].name][turned == number] = values[turned == number]
            computed = application_ratios(columns)
            features = np.stack([computed[name] for name in self._computed])
            found: Answers = features[owner[at], np.arange(at.size)] <= limits[at]
            return found

        return answers


def turning_points(answers: Callable[[Keys, Numbers], Answers], low: Keys, high: Keys) -> Keys:
    """For n questions the last place at which each is answered as at its `low`.

    Args:
        answers: of questions with these numbers, asked at these places: arrays of one length.
        low: first places, shape (n,).
        high: last places, shape (n,).

    Returns:
        Places from `low` to just before `high`; `high` where the answer is the same at both ends. Shape (n,).
    """
    numbers = np.arange(len(low), dtype=np.intp)
    first = answers(low, numbers)
    turning = numbers[first != answers(high, numbers)]
    found = high.copy()
    before, after, wanted = low[turning], high[turning], first[turning]
    while (apart := after - before > 1).any():
        middle = np.where(apart, _middle(before, after), before)
        same = answers(middle, turning) == wanted
        before = np.where(same, middle, before)
        after = np.where(same, after, middle)
    found[turning] = before
    return found


def _middle(low: Keys, high: Keys) -> Keys:
    """Rounded down, without the overflow of a sum."""
    middle: Keys = (low >> 1) + (high >> 1) + (low & high & 1)
    return middle


def _direct_points(dial: Dial, thresholds: Column) -> Keys:
    low = np.full(thresholds.size, dial.low, dtype=np.int64)
    high = np.full(thresholds.size, dial.high, dtype=np.int64)
    points = turning_points(lambda keys, at: dial.order.values(keys) <= thresholds[at], low, high)
    return points[points < high]
