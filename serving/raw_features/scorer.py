"""Scores rows of raw features with the model that answers now; no threshold of a caller makes a decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.bundle.encoding import UNKNOWN_CODE
from credit.errors import CreditError
from credit.schemas.decision import Decision
from credit.schemas.features import MissingPolicy
from serving.raw_features.errors import InvalidFeaturesError, LackingFeaturesError
from serving.raw_features.names import Names
from serving.raw_features.rows import RawRow, raw_row, view_batches

#: A stated request-time feature may differ from the computed one by this share: callers round.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class RawScored:
    """One scored row.

    Attributes:
        margin: raw log-odds.
        probability: calibrated probability of default.
        points: scorecard points.
        decision: the model's own, by its own threshold; `referred` where a missing view's policy says so.
        row: the model's input, shape (f,).
        coverage: by view, the share of the model's stored features that hold a value.
        held: the same over all views.
        policies: by view of which nothing was given, what was done.
        unknown_categories: features whose text the model never saw.
        unused: names that the model does not read.
    """

    margin: float
    probability: float
    points: float
    decision: Decision
    row: NDArray[np.float64]
    coverage: dict[str, float]
    held: float
    policies: dict[str, MissingPolicy]
    unknown_categories: tuple[str, ...]
    unused: tuple[str, ...]


class RawScorer:
    """Scores raw features with one bundle; thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.names = Names(bundle.contract)
        features = list(enumerate(bundle.contract.features))
        self._categorical = [at for at, feature in features if feature.kind == "categorical"]
        self._columns = {
            view.name: [at for at, feature in features if feature.view == view.name] for view in bundle.contract.views
        }

    def score(self, applications: Sequence[Mapping[str, Any]]) -> list[RawScored | CreditError]:
        """Score n applications, each a mapping of names to values; one that fails has its error in its place.

        A row gives the same bits alone and among others. The errors are InvalidFeaturesError and LackingFeaturesError.
        """
        read = [self._read(features) for features in applications]
        rows = [row for row in read if isinstance(row, RawRow)]
        scored = iter(self._scored(rows) if rows else ())
        return [next(scored) if isinstance(one, RawRow) else one for one in read]

    def _read(self, features: Mapping[str, Any]) -> RawRow | CreditError:
        try:
            row = raw_row(self.names, features)
        except InvalidFeaturesError as error:
            return error
        missing = {view.name: view.missing_policy for view in self.bundle.contract.views if not row.holds(view)}
        lacking = [name for name, policy in missing.items() if policy == "refuse"]
        if not lacking and len(missing) == len(self.bundle.contract.views):
            lacking = [*missing]  # nothing at all: that would be scoring nobody
        return LackingFeaturesError(lacking) if lacking else row

    def _scored(self, rows: Sequence[RawRow]) -> list[RawScored | CreditError]:
        matrix = self.bundle.matrix(view_batches(self.bundle.contract.views, rows))
        findings = [self._state(row, encoded) for row, encoded in zip(rows, matrix, strict=True)]
        prediction = self.bundle.predict(matrix)
        points = self.bundle.policy.points_of(prediction.probability)
        figures = zip(prediction.margin.tolist(), prediction.probability.tolist(), points.tolist(), strict=True)
        return [
            InvalidFeaturesError(found) if found else self._result(row, encoded, *numbers)
            for row, encoded, found, numbers in zip(rows, matrix, findings, figures, strict=True)
        ]

    def _state(self, row: RawRow, encoded: NDArray[np.float64]) -> dict[str, str]:
        """Put stated request-time features where they cannot be computed; what contradicts the computed ones."""
        findings = {}
        for name, stated in row.request_time.items():
            at = self.names.request_time[name]
            computed = encoded[at]
            if np.isnan(computed):
                encoded[at] = stated
            elif not np.isclose(stated, computed, rtol=_ROUNDING, atol=_ROUNDING):
                findings[name] = "is computed from other features, and those give another value: leave it out"
        return findings

    def _result(
        self, row: RawRow, encoded: NDArray[np.float64], margin: float, probability: float, points: float
    ) -> RawScored:
        held = {name: int(np.count_nonzero(~np.isnan(encoded[columns]))) for name, columns in self._columns.items()}
        stored = sum(map(len, self._columns.values()))
        policies = {view.name: view.missing_policy for view in self.bundle.contract.views if not row.holds(view)}
        refer = "refer" in policies.values()
        return RawScored(
            margin=margin,
            probability=probability,
            points=points,
            decision=Decision.REFERRED if refer else self.bundle.decide(probability),
            row=encoded,
            coverage={name: _share(held[name], len(columns)) for name, columns in self._columns.items()},
            held=_share(sum(held.values()), stored),
            policies=policies,
            unknown_categories=tuple(
                self.bundle.contract.names[at] for at in self._categorical if encoded[at] == UNKNOWN_CODE
            ),
            unused=row.unused,
        )


@lru_cache(maxsize=2)
def raw_scorer(bundle: Bundle) -> RawScorer:
    """The scorer of a bundle, kept for the model that answers and the one before it."""
    return RawScorer(bundle)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
