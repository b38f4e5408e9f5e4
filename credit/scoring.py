"""Scores clients: features and a model bundle in, probabilities, decisions and reasons out. No I/O, no clock."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.errors import CreditError, IncompleteFeaturesError, UnknownClientError
from credit.reason_codes import Language
from credit.schemas.decision import DataQuality, Decision, DecisionRecord, Reason
from credit.schemas.features import FeatureContract, ViewBatch, ViewSpec, ViewStatus
from credit.schemas.overrides import Overrides

_USABLE = (ViewStatus.PRESENT, ViewStatus.STALE)

#: Measures a stage while its block runs.
Stages = Callable[[str], AbstractContextManager[None]]
_NOTHING: Final = nullcontext()


def unmeasured(_stage: str) -> AbstractContextManager[None]:
    """`Stages` that measures nothing."""
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Scored:
    """One scored client.

    `margin` is the raw log-odds, `probability` the calibrated probability of default, `points` its scorecard points.
    """

    client_id: int
    margin: float
    probability: float
    points: float
    threshold: float
    decision: Decision
    risk_band: str
    reasons: tuple[Reason, ...]
    quality: DataQuality


class Scorer:
    """Scores with one bundle; holds no other state, so that any number of threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._policies = {view.name: view.missing_policy for view in bundle.contract.views}
        self._stored = _stored_features(bundle.contract)
        self._stored_features = sum(len(columns) + len(strings) for columns, strings in self._stored.values())

    def score(
        self,
        views: Mapping[str, ViewBatch],
        client_ids: Sequence[int],
        language: Language = "en",
        *,
        overrides: Sequence[Overrides] | None = None,
        reasons: bool = True,
        stages: Stages = unmeasured,
    ) -> list[Scored | CreditError]:
        """Score n clients; one that cannot be scored gets its error in its place and harms no other.

        A STALE view is scored as it is. A view without a usable row follows its missing policy: `refuse` gives
        IncompleteFeaturesError, `refer` scores and refers the decision to a person, `impute` leaves the model's
        own treatment of missing values. A client whose views are all NOT_FOUND gives UnknownClientError.

        Args:
            views: by name, the rows of all n clients in order, as a feature reader returns them.
            client_ids: n ids.
            language: of the reasons.
            overrides: what each of the n requests states in place of the stored application.
            reasons: False leaves them out, and their cost.
            stages: measures the stages `predict` and `explain`.

        Raises:
            FeatureError: a view of the contract was not read or is laid out differently.
            ValueError: there are more or fewer overrides than clients.
        """
        if overrides is not None and len(overrides) != len(client_ids):
            raise ValueError(f"{len(overrides)} overrides for {len(client_ids)} clients")
        if not client_ids:
            return []
        policy = self.bundle.policy
        with stages("predict"):
            matrix = self.bundle.matrix(views, overrides or ())
            errors = [self._obstacle(views, row, client) for row, client in enumerate(client_ids)]
            rows = [row for row, error in enumerate(errors) if error is None]
            if not rows:
                return [error for error in errors if error is not None]
            taken = matrix if len(rows) == len(matrix) else matrix[np.array(rows, dtype=np.intp)]
            prediction = self.bundle.predict(taken)
            points = policy.points_of(prediction.probability).tolist()
        with stages("explain"):
            explained = self._reasons(taken, language if reasons else None)
        results: list[Scored | CreditError | None] = [*errors]
        for at, row in enumerate(rows):
            quality = self._quality(views, row)
            results[row] = Scored(
                client_id=client_ids[row],
                margin=float(prediction.margin[at]),
                probability=(probability := float(prediction.probability[at])),
                points=points[at],
                threshold=policy.threshold,
                decision=self._decision(quality, probability),
                risk_band=policy.bands.band(probability),
                reasons=explained[at],
                quality=quality,
            )
        return [result for result in results if result is not None]

    def _reasons(self, matrix: NDArray[np.float64], language: Language | None) -> list[tuple[Reason, ...]]:
        if language is None:
            return [()] * len(matrix)
        contributions = self.bundle.contributions(matrix)
        return [self.bundle.reasons(pushes, row, language) for pushes, row in zip(contributions, matrix, strict=True)]

    def _decision(self, quality: DataQuality, probability: float) -> Decision:
        return Decision.REFERRED if "refer" in quality.policies.values() else self.bundle.decide(probability)

    def _quality(self, views: Mapping[str, ViewBatch], row: int) -> DataQuality:
        missing = [name for name in self._policies if views[name].status[row] not in _USABLE]
        return DataQuality(
            coverage=self._coverage(views, row),
            stale=tuple(name for name in self._policies if views[name].status[row] is ViewStatus.STALE),
            missing=tuple(missing),
            policies={name: self._policies[name] for name in missing},
        )

    def _coverage(self, views: Mapping[str, ViewBatch], row: int) -> float:
        held = sum(
            int(np.count_nonzero(~np.isnan(views[name].numeric[row, columns])))
            + sum(views[name].strings[row][column] is not None for column in strings)
            for name, (columns, strings) in self._stored.items()
        )
        return held / self._stored_features if self._stored_features else 1.0

    def _obstacle(self, views: Mapping[str, ViewBatch], row: int, client_id: int) -> CreditError | None:
        if all(views[name].status[row] is ViewStatus.NOT_FOUND for name in self._policies):
            return UnknownClientError(client_id)
        lacking = [
            name
            for name, policy in self._policies.items()
            if policy == "refuse" and views[name].status[row] not in _USABLE
        ]
        return IncompleteFeaturesError(client_id, lacking) if lacking else None


def recorded_values(views: Mapping[str, ViewBatch], row: int) -> dict[str, dict[str, float | str | None]]:
    """The values of one client as a decision record keeps them: by view, then feature, null as None."""
    return {name: _row_values(batch, row) for name, batch in views.items()}


def replay(record: DecisionRecord, bundle: Bundle, language: Language | None = None) -> Scored:
    """Score again from the recorded values; equal to the recorded result bit for bit with the same bundle.

    The reasons come out in `language`, by default the record's, also where the caller wanted none.

    Raises:
        CreditError: the recorded client could not have been scored.
    """
    views = recorded_views([record], bundle.contract)
    (result,) = Scorer(bundle).score(
        views, [record.client_id], language or record.language, overrides=[record.overrides]
    )
    if isinstance(result, CreditError):
        raise result
    return result


def recorded_views(records: Sequence[DecisionRecord], contract: FeatureContract) -> dict[str, ViewBatch]:
    """The views of n recorded decisions as a feature reader would return them, without their times."""
    return {view.name: _recorded_batch(records, view) for view in contract.views}


def _row_values(batch: ViewBatch, row: int) -> dict[str, float | str | None]:
    numbers = batch.numeric[row].tolist()
    values: dict[str, float | str | None] = {
        name: None if number != number else number  # NaN alone differs from itself
        for name, number in zip(batch.spec.numeric, numbers, strict=True)
    }
    return values | dict(zip(batch.spec.strings, batch.strings[row], strict=True))


def _recorded_batch(records: Sequence[DecisionRecord], spec: ViewSpec) -> ViewBatch:
    values = [record.values.get(spec.name, {}) for record in records]
    states = [record.views.get(spec.name) for record in records]
    numbers = [[_number(row.get(name)) for name in spec.numeric] for row in values]
    return ViewBatch(
        spec=spec,
        status=tuple(state.status if state else ViewStatus.NOT_FOUND for state in states),
        as_of_us=np.zeros(len(records), dtype=np.int64),
        built_us=np.zeros(len(records), dtype=np.int64),
        numeric=np.array(numbers, dtype=np.float64).reshape(len(records), len(spec.numeric)),
        strings=tuple(tuple(_text(row.get(name)) for name in spec.strings) for row in values),
    )


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)


def _text(value: float | str | None) -> str | None:
    return None if value is None else str(value)


def _stored_features(contract: FeatureContract) -> dict[str, tuple[NDArray[np.intp], tuple[int, ...]]]:
    """By view, the columns that the model eats: those among the numbers, and those among the strings."""
    eaten = {(feature.view, feature.name) for feature in contract.features}
    return {
        view.name: (
            np.array([at for at, name in enumerate(view.numeric) if (view.name, name) in eaten], dtype=np.intp),
            tuple(at for at, name in enumerate(view.strings) if (view.name, name) in eaten),
        )
        for view in contract.views
    }
