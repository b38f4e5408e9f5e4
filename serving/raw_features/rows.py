"""From the features that a caller sends to rows as a feature reader would return them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from credit.schemas.features import ViewBatch, ViewSpec, ViewStatus
from serving.raw_features.errors import InvalidFeaturesError
from serving.raw_features.names import Names
from serving.raw_features.values import Value, WrongValueError, number, of_raw_type, of_type


@dataclass(frozen=True, slots=True)
class RawRow:
    """The features of one application.

    Attributes:
        stored: values of the views' columns, by name; no nulls.
        request_time: request-time features that the caller states itself.
        unused: known names that the model does not read.
    """

    stored: dict[str, float | str]
    request_time: dict[str, float]
    unused: tuple[str, ...]

    def holds(self, spec: ViewSpec) -> bool:
        """Whether anything of a view was given."""
        return any(column.name in self.stored for column in spec.columns)


def raw_row(names: Names, features: Mapping[str, Any]) -> RawRow:
    """The row of what a caller sent.

    Raises:
        InvalidFeaturesError: a name is unknown, a value does not fit, or a feature is given under two names.
    """
    reading = _Reading(names)
    for name, value in features.items():
        reading.take(name, value)
    reading.derive()
    if reading.findings:
        raise InvalidFeaturesError(reading.findings)
    unused = tuple(name for name in reading.raw if name not in names.read_columns)
    return RawRow(_present(reading.stored), reading.request_time, unused)


def view_batches(specs: Sequence[ViewSpec], rows: Sequence[RawRow]) -> dict[str, ViewBatch]:
    """The rows by view; a view of which a row gives nothing is NOT_FOUND in it."""
    return {spec.name: _view_batch(spec, rows) for spec in specs}


class _Reading:
    """What was read of one application so far."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.findings: dict[str, str] = {}
        self.stored: dict[str, Value] = {}
        self.request_time: dict[str, float] = {}
        self.raw: dict[str, Value] = {}

    def take(self, name: str, value: Any) -> None:
        """One name and value."""
        try:
            if (place := self._names.stored.get(name)) is not None:
                self.stored[name] = of_type(value, place.type)
            elif (column := self._names.raw.get(name)) is not None:
                self.raw[name] = of_raw_type(value, column.type)
            elif name in self._names.request_time:
                if (stated := of_type(value, "float64")) is not None:
                    self.request_time[name] = number(stated)
            else:
                self.findings[name] = "is no feature of the model and no column of an application"
        except WrongValueError as error:
            self.findings[name] = str(error)

    def derive(self) -> None:
        """The stored features that the raw columns give."""
        for form in self._names.forms:
            given = [column for column in form.columns if column in self.raw]
            if not given:
                continue
            if form.name in self.stored:
                self.findings[form.name] = f"is given twice: {given[0]} gives it too"
                continue
            derived = form.derive([self.raw.get(column) for column in form.columns])
            try:
                self.stored[form.name] = of_type(derived, form.type)
            except WrongValueError as error:
                self.findings[given[0]] = str(error)


def _present(values: Mapping[str, Value]) -> dict[str, float | str]:
    return {name: value for name, value in values.items() if value is not None}


def _view_batch(spec: ViewSpec, rows: Sequence[RawRow]) -> ViewBatch:
    moments = np.zeros(len(rows), dtype=np.int64)
    return ViewBatch(
        spec=spec,
        status=tuple(ViewStatus.PRESENT if row.holds(spec) else ViewStatus.NOT_FOUND for row in rows),
        as_of_us=moments,
        built_us=moments,
        numeric=np.array([[*_numbers(spec, row)] for row in rows], dtype=np.float64).reshape(len(rows), -1),
        strings=tuple(tuple(_texts(spec, row)) for row in rows),
    )


def _numbers(spec: ViewSpec, row: RawRow) -> Iterator[float]:
    for name in spec.numeric:
        value = row.stored.get(name, np.nan)
        assert not isinstance(value, str)
        yield value


def _texts(spec: ViewSpec, row: RawRow) -> Iterator[str | None]:
    for name in spec.strings:
        value = row.stored.get(name)
        assert value is None or isinstance(value, str)
        yield value
