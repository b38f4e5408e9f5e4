"""The synchronous client."""

import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from credit.client import calls
from credit.client.answers import BatchItem, Score
from credit.client.calls import Call, Headers, IdempotencyKey, Json, Language, ScoreItem
from credit.client.exchange import Access, Exchange, Flow, Outcome, Step, Wait
from credit.client.timing import Retries, Timeouts

_T = TypeVar("_T")


class CreditClient:
    """Calls the scoring service; keeps its connections open; safe to share between threads.

    Every operation takes `headers` of its own, such as `traceparent` (W3C trace context) and `X-Request-ID`, and raises
    `ServiceError`: see `credit.client.errors` for its kinds.

    Args:
        base_url: address of the service, such as `http://127.0.0.1:8000`.
        api_key: the caller's key.
        token: tells the caller's token at each attempt, instead of a key; must not block for long.
        headers: sent with every request.
        timeouts: how long a call may take.
        retries: when it is tried again.
        transport: carries requests instead of the network, for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        token: Callable[[], str] | None = None,
        headers: Headers | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - immutable
        retries: Retries = Retries(),  # noqa: B008 - immutable
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._exchange = Exchange(base_url, Access(api_key, token), headers or {}, timeouts, retries)
        self._http = httpx.Client(transport=transport)

    def score(
        self,
        client_id: int,
        *,
        application: Mapping[str, float] | None = None,
        reasons: bool = True,
        lang: Language = "en",
        idempotency_key: IdempotencyKey = None,
        headers: Headers | None = None,
    ) -> Score:
        """Decide about one client.

        Args:
            client_id: SK_ID_CURR.
            application: amounts of a new application in place of the stored ones, such as `{"amt_credit": 500_000}`.
            reasons: whether to name the reasons.
            lang: language of the reasons.
            idempotency_key: the same key and request get the same decision, for a day. None makes one for this call,
                so that a retry never decides twice; False sends none and does not repeat what may have been handled.
            headers: of this request.

        Raises:
            NotFoundError: the client is unknown.
            ServiceError: anything else that can go wrong.
        """
        item = ScoreItem(client_id, application, reasons, lang)
        return self._call(calls.score(item, idempotency_key, headers))

    def score_batch(
        self,
        items: Iterable[ScoreItem | int],
        *,
        idempotency_key: IdempotencyKey = None,
        headers: Headers | None = None,
    ) -> list[BatchItem]:
        """Decide about many clients: a result or a problem for each, in their order.

        More than 1,000 take several requests. When one that is not the first fails, its items and those after it carry
        the problem, so that nothing decided before is lost.

        Raises:
            ServiceError: the first request failed.
        """
        return self._run(self._exchange.score_batch(items, idempotency_key, headers))

    def explain(
        self,
        client_id: int,
        *,
        application: Mapping[str, float] | None = None,
        lang: Language | None = None,
        headers: Headers | None = None,
        **options: Any,
    ) -> Json:
        """All contributions to one client's score; further options go into the body as they are."""
        return self._call(calls.ask("/v1/explain", calls.about(client_id, application, lang, options), headers))

    def whatif(
        self,
        client_id: int,
        *,
        application: Mapping[str, float] | None = None,
        lang: Language | None = None,
        headers: Headers | None = None,
        **options: Any,
    ) -> Json:
        """What would change with other values, never a decision; further options go into the body as they are."""
        return self._call(calls.ask("/v1/whatif", calls.about(client_id, application, lang, options), headers))

    def features(self, client_id: int, *, headers: Headers | None = None) -> Json:
        """The stored features of one client, with their times and states."""
        return self._call(calls.look(f"/v1/clients/{calls.segment(client_id)}/features", headers))

    def decision(self, decision_id: str, *, headers: Headers | None = None) -> Json:
        """The record of a decision."""
        return self._call(calls.look(f"/v1/decisions/{calls.segment(decision_id)}", headers))

    def record_outcome(self, decision_id: str, outcome: Mapping[str, Any], *, headers: Headers | None = None) -> Json:
        """Record what came of a decision; `outcome` is the body. Not repeated if it may have been handled."""
        return self._call(calls.tell(f"/v1/decisions/{calls.segment(decision_id)}/outcome", outcome, headers))

    def record_override(self, decision_id: str, override: Mapping[str, Any], *, headers: Headers | None = None) -> Json:
        """Record that a person decided otherwise; `override` is the body. Not repeated if it may have been handled."""
        return self._call(calls.tell(f"/v1/decisions/{calls.segment(decision_id)}/override", override, headers))

    def models(self, *, headers: Headers | None = None) -> Json:
        """The registered models."""
        return self._call(calls.look("/v1/models", headers))

    def current_model(self, *, headers: Headers | None = None) -> Json:
        """The model that answers now."""
        return self._call(calls.look("/v1/models/current", headers))

    def ready(self, *, headers: Headers | None = None) -> Json:
        """State of the service, asked once.

        Raises:
            UnavailableError: it cannot answer requests now; `code` says why.
        """
        return self._call(calls.look("/readyz", headers, repeatable=False))

    def version(self, *, headers: Headers | None = None) -> Json:
        """Version of the service."""
        return self._call(calls.look("/version", headers))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, call: Call[_T]) -> _T:
        return self._run(self._exchange.call(call))

    def _run(self, flow: Flow[_T]) -> _T:
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                result: _T = end.value
                return result
            outcome = self._take(step)

    def _take(self, step: Step) -> Outcome:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.send(step)
        except httpx.RequestError as error:
            return error
