"""Stored features taken to be other than they are: which names and values are possible, and the rows they give."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit.counterfactual.values import ValueOrder
from credit.errors import CreditError
from credit.features import RATIO_INPUTS
from credit.schemas.features import FeatureContract, ValueType, ViewBatch
from credit.schemas.overrides import LARGEST_AMOUNT, OVERRIDABLE, SMALLEST_AMOUNT

#: What a stored feature may be taken for; None is null.
StoredValue = float | str | None
#: Categories that an error text lists at most.
_LISTED: Final = 60


class UnusableFeaturesError(CreditError):
    """Features or values that cannot be what a client has; `problems` says why, by name."""

    code = "unusable_features"

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored feature lies.

    Attributes:
        view: its view.
        position: among the view's numeric columns, or among its strings.
        type: of the stored value.
    """

    view: str
    position: int
    type: ValueType


@dataclass(frozen=True)
class StoredFeatures:
    """The stored features that a model's answer depends on: what it eats, and what request-time features come from."""

    contract: FeatureContract

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where they lie, by name, in the order of views and columns."""
        eaten = {(feature.view, feature.name) for feature in self.contract.features}
        inputs = frozenset(RATIO_INPUTS if any(view is None for view, _ in eaten) else ())
        return {
            name: place
            for name, place in self._columns()
            if (place.view, name) in eaten or (name in inputs and place.type != "string")
        }

    def check(self, values: Mapping[str, StoredValue]) -> None:
        """Accept values that these features could have.

        Raises:
            UnusableFeaturesError: names every one that is unknown or impossible.
        """
        found = {name: problem for name, value in values.items() if (problem := self._problem(name, value))}
        if found:
            raise UnusableFeaturesError(found)

    def changed(self, views: Mapping[str, ViewBatch], values: Mapping[str, StoredValue]) -> dict[str, ViewBatch]:
        """Rows in which every client has these checked values, as if they were stored: rounded to their type."""
        found = {name: _copied(batch) for name, batch in views.items()}
        for name, value in values.items():
            place = self.places[name]
            batch = found[place.view]
            if place.type == "string":
                text = None if value is None else str(value)
                strings = tuple(_with(row, place.position, text) for row in batch.strings)
                found[place.view] = replace(batch, strings=strings)
            else:
                batch.numeric[:, place.position] = as_stored(place.type, value)
        return found

    def _columns(self) -> Iterator[tuple[str, Place]]:
        for view in self.contract.views:
            numeric = {name: at for at, name in enumerate(view.numeric)}
            strings = {name: at for at, name in enumerate(view.strings)}
            for column in view.columns:
                position = (strings if column.type == "string" else numeric)[column.name]
                yield column.name, Place(view.name, position, column.type)

    def _problem(self, name: str, value: StoredValue) -> str | None:
        place = self.places.get(name)
        if place is None:
            if name in self.contract.names:
                return "is computed with each request: change the stored features that it comes from"
            return "is no stored feature that the model's answer depends on"
        if value is None:
            return None
        if place.type == "string":
            return self._no_category(name, value)
        if isinstance(value, str):
            return "must be a number or null"
        return _no_number(name, place.type, value)

    def _no_category(self, name: str, value: float | str) -> str | None:
        known = self.contract.categories.get(name, ())
        if value in known:
            return None
        more = ", ..." if len(known) > _LISTED else ""
        return f"must be null or one of: {', '.join(known[:_LISTED])}{more}"


def repeated(views: Mapping[str, ViewBatch], rows: int) -> dict[str, ViewBatch]:
    """The first client's row of each view, `rows` times."""
    return {name: _repeated(batch, rows) for name, batch in views.items()}


def as_stored(kind: ValueType, value: StoredValue) -> float:
    """A checked number as a column of this type holds it; NaN for null."""
    if value is None:
        return math.nan
    order = ValueOrder(kind)
    return float(order.values(order.keys(np.array([float(value)])))[0])


def _no_number(name: str, kind: ValueType, value: float) -> str | None:
    order = ValueOrder(kind)
    low, high = (SMALLEST_AMOUNT, LARGEST_AMOUNT) if name in OVERRIDABLE else order.limits
    if not low <= value <= high:  # not a number either
        return f"must lie between {low:g} and {high:g}"
    if order.whole and not float(value).is_integer():
        return "must be a whole number"
    return None


def _copied(batch: ViewBatch) -> ViewBatch:
    return replace(batch, numeric=batch.numeric.copy())


def _with(row: Sequence[str | None], position: int, value: str | None) -> tuple[str | None, ...]:
    return (*row[:position], value, *row[position + 1 :])


def _repeated(batch: ViewBatch, rows: int) -> ViewBatch:
    def many(column: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.repeat(column[:1], rows)

    return ViewBatch(
        spec=batch.spec,
        status=batch.status[:1] * rows,
        as_of_us=many(batch.as_of_us),
        built_us=many(batch.built_us),
        numeric=np.repeat(batch.numeric[:1], rows, axis=0),
        strings=batch.strings[:1] * rows,
    )
