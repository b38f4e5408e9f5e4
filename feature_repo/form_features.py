"""Features of the application view from the raw columns of one application, without an engine.

The catalogue's SQL defines them. Most are a column as it is; the few expressions that are more are known here by their
text, so that one that changes there is no longer known here, and a test holds both equal.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from credit.schemas.categories import UNKNOWN, known_categories
from credit.schemas.raw import DAYS_SENTINEL, RawColumn, raw_tables
from feature_repo.catalogue import Feature, load_catalogue
from feature_repo.catalogue.model import FeatureType

#: A raw or derived value: a finite number, a text, or None for null.
Value = float | str | None
Derivation = Callable[[Sequence[Value]], Value]

APPLICATION_VIEW: Final = "application"
_LONGEST_WORK: Final = -1826.0
_SUM: Final = re.compile(r"[A-Z0-9_]+(\s*\+\s*[A-Z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class FormFeature:
    """One feature that raw columns give.

    Attributes:
        name: of the feature.
        type: its type in the stores.
        columns: raw columns that it is derived from.
    """

    name: str
    type: FeatureType
    columns: tuple[str, ...]
    _derivation: Derivation

    def derive(self, values: Sequence[Value]) -> Value:
        """The feature from the values of `columns`, before it is rounded to its type."""
        return self._derivation(
            [_in_vocabulary(column, value) for column, value in zip(self.columns, values, strict=True)]
        )


@cache
def form_features() -> tuple[FormFeature, ...]:
    """Every feature of the application view that this module can derive, in catalogue order."""
    view = load_catalogue().view(APPLICATION_VIEW)
    found = ((feature, _derivation(feature)) for feature in view.features)
    return tuple(
        FormFeature(feature.name, feature.type, _columns(feature), known)
        for feature, known in found
        if known is not None
    )


@cache
def form_columns() -> dict[str, RawColumn]:
    """Every raw column of an application by name, also those that no decision reads; the label is none."""
    return {column.name: column for column in raw_tables()["application_test"].columns}


def _derivation(feature: Feature) -> Derivation | None:
    expression = " ".join(feature.sql.split())
    if _SUM.fullmatch(expression) and tuple(re.split(r"\s*\+\s*", expression)) == _columns(feature):
        return _only if len(feature.sources) == 1 else _sum
    return _EXPRESSIONS.get(expression)


def _columns(feature: Feature) -> tuple[str, ...]:
    return tuple(source.partition(".")[2] for source in feature.sources)


def _in_vocabulary(column: str, value: Value) -> Value:
    """A text that the column never holds is UNKNOWN, as ingestion makes it."""
    known = known_categories()[APPLICATION_VIEW].get(column)
    return UNKNOWN if known is not None and value is not None and value not in known else value


def _only(values: Sequence[Value]) -> Value:
    return values[0]


def _sum(values: Sequence[Value]) -> Value:
    numbers = [value for value in values if isinstance(value, float)]
    return sum(numbers) if len(numbers) == len(values) else None


def _time_in_work(values: Sequence[Value]) -> Value:
    """Clients without work count as five years, as the macro of this name says."""
    (days,) = values
    if not isinstance(days, float):
        return None
    return _LONGEST_WORK if days == DAYS_SENTINEL or days < _LONGEST_WORK else days


def _line_of_business(values: Sequence[Value]) -> Value:
    (organization,) = values
    if not isinstance(organization, str) or organization in ("XNA", "Other"):
        return None
    return None if organization.startswith("Business Entity") else organization


_EXPRESSIONS: Final[dict[str, Derivation]] = {
    "time_in_work(DAYS_EMPLOYED)": _time_in_work,
    "line_of_business(ORGANIZATION_TYPE)": _line_of_business,
}
