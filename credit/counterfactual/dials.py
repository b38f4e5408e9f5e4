"""The features of one model that a client can turn: where they lie, how far they may go, and what counts as far."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.counterfactual.mutable import MutableFeatures, mutable_features
from credit.counterfactual.values import ValueOrder
from credit.what_if import Place, StoredFeatures

_MIDDLE = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Dial:
    """One mutable feature of a model.

    Attributes:
        name: the stored feature.
        rule: in which direction and between which values it may go.
        place: where it is stored.
        order: of its values.
        low: place of the smallest value that a change may lead to.
        high: place of the largest.
        spread: what counts as a change of 1: the span that holds the middle 90 % of the reference clients.
    """

    name: str
    rule: MutableFeatures
    place: Place
    order: ValueOrder
    low: int
    high: int
    spread: float


def dials_of(bundle: Bundle, rules: Mapping[str, MutableFeatures] | None = None) -> tuple[Dial, ...]:
    """The dials of a model, in the order of the rules.

    A feature that the model's answer does not depend on has none, nor has one without any spread among the reference
    clients: nothing could say how far a change goes.

    Args:
        bundle: the model.
        rules: what is mutable; the platform's own by default.
    """
    places = StoredFeatures(bundle.contract).places
    reference = bundle.reference()
    found: list[Dial] = []
    for name, rule in (mutable_features() if rules is None else rules).items():
        place = places.get(name)
        if place is None or place.type == "string":
            continue
        spread = _spread(_reference_column(reference, name))
        if spread > 0:
            found.append(_dial(name, rule, place, spread))
    return tuple(found)


def _dial(name: str, rule: MutableFeatures, place: Place, spread: float) -> Dial:
    order = ValueOrder(place.type)
    smallest, largest = order.limits
    low, high = max(rule.low, smallest), largest if rule.high is None else min(rule.high, largest)
    first, last = order.key(low), order.key(high)
    # Rounding to the type must not leave the limits.
    first += int(_value(order, first) < low)
    last -= int(_value(order, last) > high)
    return Dial(name, rule, place, order, first, last, spread)


def _value(order: ValueOrder, key: int) -> float:
    return float(order.values(np.array([key], dtype=np.int64))[0])


def _reference_column(reference: pa.Table, name: str) -> NDArray[np.float64]:
    """Known values of a feature; of an amount that requests may override, those that the model ate."""
    for column in (name, f"requested_{name}"):
        if column in reference.column_names:
            values: NDArray[np.float64] = reference[column].drop_null().to_numpy().astype(np.float64)
            return values[np.isfinite(values)]
    return np.empty(0)


def _spread(values: NDArray[np.float64]) -> float:
    if not values.size:
        return 0.0
    low, high = np.quantile(values, _MIDDLE)
    return float(high - low) or float(values.max() - values.min())
