"""Decisions from start to end: read, score, explain, record, answer. Knows nothing of HTTP or Ray."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from credit.errors import CreditError, FeatureError
from credit.schemas.decision import DecisionRecord
from credit.schemas.features import ViewBatch
from credit.scoring import Scored, recorded_values
from serving.answers import answer_of, view_state
from serving.decision_ids import decision_id
from serving.decision_log import DecisionLog, Entry
from serving.metrics import ScoringMetrics
from serving.model_store import LoadedModel, ModelSnapshot, ModelStore
from serving.orders import Asked, Order
from serving.schemas.score import ScoreAnswer
from serving.shadow import Offer, no_shadow


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class ScoringService:
    """Answers score requests; thread-safe.

    Args:
        models: where the current model comes from.
        decisions: every decision is appended here before it is answered.
        metrics: what is measured.
        now: clock of decisions and ages.
        new_id: makes decision ids.
        shadow: is offered each new decision that has a challenger; neither waits nor raises.
    """

    def __init__(
        self,
        models: ModelStore,
        decisions: DecisionLog,
        metrics: ScoringMetrics,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = decision_id,
        *,
        shadow: Offer = no_shadow,
    ) -> None:
        self.models = models
        self.metrics = metrics
        self._decisions = decisions
        self._now = now
        self._new_id = new_id
        self._shadow = shadow

    def score(self, order: Order, asked: Asked) -> ScoreAnswer:
        """Decide about one client; the decision is in the log when this returns.

        Raises:
            UnknownClientError: no view holds a row for the client.
            IncompleteFeaturesError: a view that the model must have is missing.
            StoreUnavailableError: the online store or the decision log did not answer in time.
            DecisionLogFullError: the decision log takes nothing more.
            IdempotencyConflictError: the claim was made before with another request.
            ModelNotReadyError: no model is loaded yet.
        """
        with self.metrics.stage("total"):
            (answer,) = self._decided([order], [asked], self.models.snapshot())
        if isinstance(answer, CreditError):
            raise answer
        return answer

    def score_many(
        self, orders: Sequence[Order], asked: Sequence[Asked], models: ModelSnapshot | None = None
    ) -> list[ScoreAnswer | CreditError]:
        """Decide about several clients as `score` would about each; one that fails harms no other.

        Args:
            orders: whom to decide about.
            asked: who asks, one for each order.
            models: the models of the whole that these are a part of; None takes those of now.
        """
        return self._decided(orders, asked, models or self.models.snapshot())

    def check_stores(self) -> None:
        """Raise StoreUnavailableError unless the online store and the decision log answer."""
        self.models.current().reader.ping()
        self._decisions.ping()

    def close(self) -> None:
        """Release connections."""
        self._decisions.close()

    def _decided(
        self, orders: Sequence[Order], asked: Sequence[Asked], models: ModelSnapshot
    ) -> list[ScoreAnswer | CreditError]:
        results: list[DecisionRecord | CreditError | None] = [self._claimed(one) for one in asked]
        new = [at for at, result in enumerate(results) if result is None]
        for group in models.together([orders[at].client_id for at in new]) if new else ():
            rows = [new[position] for position in group]
            made = self._made(models, [orders[at] for at in rows], [asked[at] for at in rows])
            for at, result in zip(rows, made, strict=True):
                results[at] = result
        return [
            result if isinstance(result, CreditError) else answer_of(result) for result in results if result is not None
        ]

    def _claimed(self, asked: Asked) -> DecisionRecord | CreditError | None:
        """What the same claim made before."""
        if asked.claim is None:
            return None
        try:
            return self._decisions.claimed(asked.claim)
        except CreditError as error:
            return error

    def _made(
        self, models: ModelSnapshot, orders: Sequence[Order], asked: Sequence[Asked]
    ) -> list[DecisionRecord | CreditError]:
        """New decisions of one model, kept in the log."""
        model: LoadedModel | None = None
        results: list[DecisionRecord | CreditError]
        try:
            model = models.for_client(orders[0].client_id)
            results = self._recorded(model, models.shadow_of(model), orders, asked)
        except FeatureError as error:
            if len(orders) > 1:  # a client's broken row is not the others' fault
                return [self._made(models, [order], [one])[0] for order, one in zip(orders, asked, strict=True)]
            results = [error]
        except CreditError as error:
            results = [error] * len(orders)
        for result in results:
            if isinstance(result, CreditError):
                self.metrics.failed(result, None if model is None else model.version)
            else:
                self.metrics.decided(result)
        return results

    def _recorded(
        self, model: LoadedModel, challenger: LoadedModel | None, orders: Sequence[Order], asked: Sequence[Asked]
    ) -> list[DecisionRecord | CreditError]:
        clients = [order.client_id for order in orders]
        with self.metrics.stage("read"):
            views = model.reader.read(clients)
        scored = self._scored(model, views, orders)
        results: list[DecisionRecord | CreditError] = [
            one if isinstance(one, CreditError) else self._record(model, views, row, one, orders[row], asked[row])
            for row, one in enumerate(scored)
        ]
        kept = [row for row, result in enumerate(results) if isinstance(result, DecisionRecord)]
        entries = [
            Entry(record, asked[row].claim) for row in kept if isinstance(record := results[row], DecisionRecord)
        ]
        if entries:
            with self.metrics.stage("record"):
                for row, result in zip(kept, self._decisions.append(entries), strict=True):
                    results[row] = result
        if challenger is not None:
            for row, entry in zip(kept, entries, strict=True):
                if results[row] is entry.record:  # not refused by the log, nor an earlier decision of the same claim
                    self._shadow(challenger, entry.record, views, row)
        return results

    def _scored(
        self, model: LoadedModel, views: Mapping[str, ViewBatch], orders: Sequence[Order]
    ) -> list[Scored | CreditError]:
        """Score orders that want reasons in one language together: alone and together they give the same bits."""
        first = orders[0]
        if all((order.reasons, order.language) == (first.reasons, first.language) for order in orders):
            return model.scorer.score(
                views,
                [order.client_id for order in orders],
                first.language,
                overrides=[order.overrides for order in orders],
                reasons=first.reasons,
                stages=self.metrics.stage,
            )
        return [
            self._scored(model, {name: batch.row(at) for name, batch in views.items()}, [order])[0]
            for at, order in enumerate(orders)
        ]

    def _record(
        self,
        model: LoadedModel,
        views: Mapping[str, ViewBatch],
        row: int,
        scored: Scored,
        order: Order,
        asked: Asked,
    ) -> DecisionRecord:
        decided_at = self._now()
        return DecisionRecord(
            decision_id=self._new_id(),
            client_id=scored.client_id,
            decided_at=decided_at,
            request_id=asked.request_id,
            caller=asked.caller,
            values=recorded_values(views, row),
            overrides=order.overrides,
            views={name: view_state(batch, row, decided_at) for name, batch in views.items()},
            margin=scored.margin,
            probability=scored.probability,
            points=scored.points,
            threshold=scored.threshold,
            decision=scored.decision,
            risk_band=scored.risk_band,
            language=order.language,
            explained=order.reasons,
            reasons=scored.reasons,
            quality=scored.quality,
            model=model.version,
        )
