"""One decision from start to end: read, score, explain, record, answer. Knows nothing of HTTP or Ray."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from credit.errors import CreditError
from credit.schemas.decision import DecisionRecord, ViewState
from credit.schemas.features import ViewBatch
from credit.schemas.overrides import NO_OVERRIDES, Overrides
from credit.scoring import Scored, recorded_values
from serving.decision_ids import decision_id
from serving.decision_log import DecisionLog
from serving.model_store import LoadedModel, ModelStore
from serving.schemas import AnsweringModel, ScoreAnswer

_MICROSECONDS = 1_000_000


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class ScoringService:
    """Answers score requests; thread-safe.

    Args:
        models: where the current model comes from.
        decisions: every decision is appended here before it is answered.
        now: clock of decisions and ages.
        new_id: makes decision ids.
    """

    def __init__(
        self,
        models: ModelStore,
        decisions: DecisionLog,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = decision_id,
    ) -> None:
        self.models = models
        self._decisions = decisions
        self._now = now
        self._new_id = new_id

    def score(self, client_id: int, request_id: str, overrides: Overrides = NO_OVERRIDES) -> ScoreAnswer:
        """Decide about one client; the decision is in the log when this returns.

        Args:
            client_id: whom.
            request_id: of the caller's request, kept with the decision.
            overrides: what the request states in place of the stored application.

        Raises:
            UnknownClientError: no view holds a row for the client.
            IncompleteFeaturesError: a view that the model must have is missing.
            StoreUnavailableError: the online store or the decision log did not answer in time.
            DecisionLogFullError: the decision log takes nothing more.
            ModelNotReadyError: no model is loaded yet.
        """
        model = self.models.current()
        views = model.reader.read([client_id])
        (scored,) = model.scorer.score(views, [client_id], overrides=[overrides])
        if isinstance(scored, CreditError):
            raise scored
        record = self._record(model, views, scored, request_id, overrides)
        self._decisions.append(record)
        return _answer(record)

    def check_stores(self) -> None:
        """Raise StoreUnavailableError unless the online store and the decision log answer."""
        self.models.current().reader.ping()
        self._decisions.ping()

    def close(self) -> None:
        """Release connections."""
        self._decisions.close()

    def _record(
        self,
        model: LoadedModel,
        views: Mapping[str, ViewBatch],
        scored: Scored,
        request_id: str,
        overrides: Overrides,
    ) -> DecisionRecord:
        decided_at = self._now()
        return DecisionRecord(
            decision_id=self._new_id(),
            client_id=scored.client_id,
            decided_at=decided_at,
            request_id=request_id,
            values=recorded_values(views, 0),
            overrides=overrides,
            views={name: view_state(batch, decided_at) for name, batch in views.items()},
            margin=scored.margin,
            probability=scored.probability,
            threshold=scored.threshold,
            decision=scored.decision,
            risk_band=scored.risk_band,
            reasons=scored.reasons,
            model=model.version,
        )


def view_state(batch: ViewBatch, now: datetime) -> ViewState:
    """The state of the first row of `batch`, its age counted from its build."""
    built = _moment(int(batch.built_us[0]))
    return ViewState(
        status=batch.status[0],
        as_of=_moment(int(batch.as_of_us[0])),
        built_at=built,
        age_seconds=None if built is None else (now - built).total_seconds(),
    )


def _moment(microseconds: int) -> datetime | None:
    """A UTC time; None for 0, which stands for no row."""
    if not microseconds:
        return None
    seconds, rest = divmod(microseconds, _MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def _answer(record: DecisionRecord) -> ScoreAnswer:
    return ScoreAnswer(
        client_id=record.client_id,
        decision_id=record.decision_id,
        probability=record.probability,
        prediction=int(record.probability >= record.threshold),
        decision=record.decision,
        threshold=record.threshold,
        risk_band=record.risk_band,
        reasons=record.reasons,
        features=record.views,
        model=AnsweringModel(name=record.model.name, version=record.model.version),
    )
