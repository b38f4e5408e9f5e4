"""Scores many clients by column: the same results as `credit.scoring` gives, without an object per client."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import MAX_REASONS, Bundle
from credit.bundle.encoding import Matrix
from credit.errors import IncompleteFeaturesError, UnknownClientError
from credit.reason_codes import Language
from credit.schemas.decision import Decision
from credit.schemas.features import MissingPolicy, ViewBatch, ViewStatus

#: Applies a function to each argument and gives the answers in order: `map`, or a thread pool's.
Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

#: Rows that one call of the model takes: enough to hide the call, few enough that no thread waits long for the last.
_ROWS: Final = 1_000
_ROWS_WITH_REASONS: Final = 200


@dataclass(frozen=True, slots=True)
class ReasonColumns:
    """The reasons of n clients, the strongest first; each array of shape (n, MAX_REASONS).

    Attributes:
        features: positions among the contract's features; -1 where there is no reason.
        contributions: in margin units; no meaning where there is no reason. So is `encoded`, the matrix's cell.
    """

    features: NDArray[np.intp]
    contributions: Matrix
    encoded: Matrix


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """n clients in order.

    Attributes:
        errors: code of what kept a client from being scored, None for the scored ones.
        margin: raw log-odds, shape (n,); NaN where not scored. So is `probability`, the calibrated probability.
        decisions: None where not scored. So are `risk_bands`.
        reasons: None when left out.
    """

    errors: Sequence[str | None]
    margin: NDArray[np.float64]
    probability: NDArray[np.float64]
    decisions: Sequence[Decision | None]
    risk_bands: Sequence[str | None]
    reasons: ReasonColumns | None


class BatchScorer:
    """Scores with one bundle.

    Args:
        bundle: the model.
        spread: where parts of a batch are computed; LightGBM leaves other threads their way.
    """

    def __init__(self, bundle: Bundle, spread: Spread = map) -> None:
        self._bundle = bundle
        self._spread = spread
        self._policies = {view.name: view.missing_policy for view in bundle.contract.views}

    def score(self, views: Mapping[str, ViewBatch], clients: int, language: Language | None = "en") -> ScoredBatch:
        """Score n clients as `Scorer.score` does; one that cannot be scored harms no other.

        Args:
            views: by name, the rows of all n clients in order.
            clients: n.
            language: of the reasons; None leaves them out, and their cost.

        Raises:
            FeatureError: a view of the contract was not read or is laid out differently.
        """
        matrix = self._bundle.matrix(views)
        usable = {name: _usable(views[name]) for name in self._policies}
        errors = self._errors(views, usable, clients)
        rows = np.array([row for row, error in enumerate(errors) if error is None], dtype=np.intp)
        scored = self._scored(matrix if rows.size == clients else matrix[rows], language)
        margin, probability = np.full((2, clients), np.nan)
        margin[rows], probability[rows] = scored.margin, scored.probability
        return ScoredBatch(
            errors=errors,
            margin=margin,
            probability=probability,
            decisions=self._decisions(probability, self._lacking(usable, "refer", clients), errors),
            risk_bands=self._risk_bands(probability, errors),
            reasons=None if scored.reasons is None else _placed(scored.reasons, rows, clients),
        )

    def _scored(self, matrix: Matrix, language: Language | None) -> "_Part":
        size = _ROWS if language is None else _ROWS_WITH_REASONS
        slices = [matrix[start : start + size] for start in range(0, len(matrix), size)]
        parts: list[_Part] = list(self._spread(lambda part: self._part(part, language), slices))
        return _joined(parts or [self._empty(language)])

    def _part(self, matrix: Matrix, language: Language | None) -> "_Part":
        prediction = self._bundle.predict(matrix)
        reasons = None if language is None else self._reasons(matrix, language)
        return _Part(prediction.margin, prediction.probability, reasons)

    def _reasons(self, matrix: Matrix, language: Language) -> ReasonColumns:
        contributions = self._bundle.contributions(matrix)
        features = self._bundle.strongest(contributions, language)
        rows = np.arange(len(matrix))[:, None]
        return ReasonColumns(features, contributions[rows, features], matrix[rows, features])

    def _empty(self, language: Language | None) -> "_Part":
        none = np.empty((0, MAX_REASONS))
        reasons = None if language is None else ReasonColumns(none.astype(np.intp), none, none)
        return _Part(np.empty(0), np.empty(0), reasons)

    def _errors(
        self, views: Mapping[str, ViewBatch], usable: Mapping[str, NDArray[np.bool_]], clients: int
    ) -> list[str | None]:
        errors: list[str | None] = [None] * clients
        for row in np.flatnonzero(self._lacking(usable, "refuse", clients)).tolist():
            errors[row] = IncompleteFeaturesError.code
        nowhere = ~np.any(list(usable.values()), axis=0)
        for row in np.flatnonzero(nowhere).tolist():
            if all(views[name].status[row] is ViewStatus.NOT_FOUND for name in self._policies):
                errors[row] = UnknownClientError.code
        return errors

    def _lacking(
        self, usable: Mapping[str, NDArray[np.bool_]], policy: MissingPolicy, clients: int
    ) -> NDArray[np.bool_]:
        lacking = np.zeros(clients, dtype=np.bool_)
        for name, view_policy in self._policies.items():
            if view_policy == policy:
                lacking |= ~usable[name]
        return lacking

    def _decisions(
        self, probability: NDArray[np.float64], referred: NDArray[np.bool_], errors: Sequence[str | None]
    ) -> list[Decision | None]:
        outcomes = (Decision.APPROVED, Decision.REFUSED, Decision.REFERRED)
        codes = np.where(referred, 2, probability >= self._bundle.policy.threshold)
        return [None if error else outcomes[code] for code, error in zip(codes.tolist(), errors, strict=True)]

    def _risk_bands(self, probability: NDArray[np.float64], errors: Sequence[str | None]) -> list[str | None]:
        bands = self._bundle.policy.bands
        codes = bands.positions(np.nan_to_num(probability))
        return [None if error else bands.names[code] for code, error in zip(codes.tolist(), errors, strict=True)]


@dataclass(frozen=True, slots=True)
class _Part:
    """Scored rows of the matrix."""

    margin: NDArray[np.float64]
    probability: NDArray[np.float64]
    reasons: ReasonColumns | None


def _usable(batch: ViewBatch) -> NDArray[np.bool_]:
    if batch.status.count(ViewStatus.PRESENT) == len(batch.status):
        return np.ones(len(batch.status), dtype=np.bool_)
    return np.array([status in (ViewStatus.PRESENT, ViewStatus.STALE) for status in batch.status], dtype=np.bool_)


def _joined(parts: Sequence[_Part]) -> _Part:
    reasons = [part.reasons for part in parts if part.reasons is not None]
    return _Part(
        np.concatenate([part.margin for part in parts]),
        np.concatenate([part.probability for part in parts]),
        ReasonColumns(
            np.concatenate([one.features for one in reasons]),
            np.concatenate([one.contributions for one in reasons]),
            np.concatenate([one.encoded for one in reasons]),
        )
        if reasons
        else None,
    )


def _placed(reasons: ReasonColumns, rows: NDArray[np.intp], clients: int) -> ReasonColumns:
    """The reasons of some rows among all clients; the others have none."""
    if rows.size == clients:
        return reasons
    features = np.full((clients, MAX_REASONS), -1, dtype=np.intp)
    numbers = np.full((2, clients, MAX_REASONS), np.nan)
    features[rows], numbers[0, rows], numbers[1, rows] = reasons.features, reasons.contributions, reasons.encoded
    return ReasonColumns(features, *numbers)
