"""Scores clients: features and a model bundle in, probabilities, decisions and reasons out. No I/O, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.errors import CreditError, IncompleteFeaturesError, UnknownClientError
from credit.reason_codes import Language
from credit.schemas.decision import Decision, DecisionRecord, Reason
from credit.schemas.features import MissingPolicy, ViewBatch, ViewSpec, ViewStatus
from credit.schemas.overrides import Overrides

_USABLE = (ViewStatus.PRESENT, ViewStatus.STALE)


@dataclass(frozen=True, slots=True)
class Scored:
    """One scored client. `margin` is the raw log-odds, `probability` the calibrated probability of default."""

    client_id: int
    margin: float
    probability: float
    threshold: float
    decision: Decision
    risk_band: str
    reasons: tuple[Reason, ...]


class Scorer:
    """Scores with one bundle; holds no other state, so that any number of threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._policies = {view.name: view.missing_policy for view in bundle.contract.views}

    def score(
        self,
        views: Mapping[str, ViewBatch],
        client_ids: Sequence[int],
        language: Language = "en",
        *,
        overrides: Sequence[Overrides] | None = None,
        reasons: bool = True,
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

        Raises:
            FeatureError: a view of the contract was not read or is laid out differently.
            ValueError: there are more or fewer overrides than clients.
        """
        if overrides is not None and len(overrides) != len(client_ids):
            raise ValueError(f"{len(overrides)} overrides for {len(client_ids)} clients")
        if not client_ids:
            return []
        matrix = self.bundle.matrix(views, overrides or ())
        errors = [self._obstacle(views, row, client) for row, client in enumerate(client_ids)]
        scorable = np.array([row for row, error in enumerate(errors) if error is None], dtype=np.intp)
        results: list[Scored | CreditError | None] = [*errors]
        for row, result in self._scored(matrix, scorable, views, client_ids, language if reasons else None):
            results[row] = result
        return [result for result in results if result is not None]

    def _scored(
        self,
        matrix: NDArray[np.float64],
        rows: NDArray[np.intp],
        views: Mapping[str, ViewBatch],
        client_ids: Sequence[int],
        language: Language | None,
    ) -> list[tuple[int, Scored]]:
        if not rows.size:
            return []
        taken = matrix if rows.size == matrix.shape[0] else matrix[rows]
        prediction = self.bundle.predict(taken)
        explained = self.bundle.contributions(taken) if language else None
        return [
            (
                int(row),
                Scored(
                    client_id=client_ids[row],
                    margin=float(prediction.margin[at]),
                    probability=(probability := float(prediction.probability[at])),
                    threshold=self.bundle.policy.threshold,
                    decision=self._decision(views, int(row), probability),
                    risk_band=self.bundle.policy.bands.band(probability),
                    reasons=self.bundle.reasons(explained[at], taken[at], language)
                    if language and explained is not None
                    else (),
                ),
            )
            for at, row in enumerate(rows)
        ]

    def _decision(self, views: Mapping[str, ViewBatch], row: int, probability: float) -> Decision:
        if self._lacking(views, row, "refer"):
            return Decision.REFERRED
        return self.bundle.decide(probability)

    def _obstacle(self, views: Mapping[str, ViewBatch], row: int, client_id: int) -> CreditError | None:
        if all(views[name].status[row] is ViewStatus.NOT_FOUND for name in self._policies):
            return UnknownClientError(client_id)
        lacking = self._lacking(views, row, "refuse")
        return IncompleteFeaturesError(client_id, lacking) if lacking else None

    def _lacking(self, views: Mapping[str, ViewBatch], row: int, policy: MissingPolicy) -> list[str]:
        return [
            name
            for name, view_policy in self._policies.items()
            if view_policy == policy and views[name].status[row] not in _USABLE
        ]


def recorded_values(views: Mapping[str, ViewBatch], row: int) -> dict[str, dict[str, float | str | None]]:
    """The values of one client as a decision record keeps them: by view, then feature, null as None."""
    return {name: _row_values(batch, row) for name, batch in views.items()}


def replay(record: DecisionRecord, bundle: Bundle, language: Language = "en") -> Scored:
    """Score again from the recorded values; equal to the recorded result bit for bit with the same bundle.

    Raises:
        CreditError: the recorded client could not have been scored.
    """
    views = {view.name: _recorded_batch(record, view) for view in bundle.contract.views}
    (result,) = Scorer(bundle).score(views, [record.client_id], language, overrides=[record.overrides])
    if isinstance(result, CreditError):
        raise result
    return result


def _row_values(batch: ViewBatch, row: int) -> dict[str, float | str | None]:
    numbers = batch.numeric[row].tolist()
    values: dict[str, float | str | None] = {
        name: None if number != number else number  # NaN alone differs from itself
        for name, number in zip(batch.spec.numeric, numbers, strict=True)
    }
    return values | dict(zip(batch.spec.strings, batch.strings[row], strict=True))


def _recorded_batch(record: DecisionRecord, spec: ViewSpec) -> ViewBatch:
    values = record.values.get(spec.name, {})
    state = record.views.get(spec.name)
    return ViewBatch(
        spec=spec,
        status=(state.status if state else ViewStatus.NOT_FOUND,),
        as_of_us=np.zeros(1, dtype=np.int64),
        built_us=np.zeros(1, dtype=np.int64),
        numeric=np.array([[_number(values.get(name)) for name in spec.numeric]], dtype=np.float64),
        strings=(tuple(_text(values.get(name)) for name in spec.strings),),
    )


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)


def _text(value: float | str | None) -> str | None:
    return None if value is None else str(value)
