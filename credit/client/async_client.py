"""The asynchronous client: what `credit.client.client` has, awaited."""

import asyncio
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


class AsyncCreditClient:
    """Calls the scoring service; keeps its connections open; safe to share between tasks of one event loop.

    Operations, arguments and errors are those of `CreditClient`.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._exchange = Exchange(base_url, Access(api_key, token), headers or {}, timeouts, retries)
        self._http = httpx.AsyncClient(transport=transport)

    async def score(
        self,
        client_id: int,
        *,
        application: Mapping[str, float] | None = None,
        reasons: bool = True,
        lang: Language = "en",
        idempotency_key: IdempotencyKey = None,
        headers: Headers | None = None,
    ) -> Score:
        """Decide about one client: `CreditClient.score`."""
        item = ScoreItem(client_id, application, reasons, lang)
        return await self._call(calls.score(item, idempotency_key, headers))

    async def score_batch(
        self,
        items: Iterable[ScoreItem | int],
        *,
        idempotency_key: IdempotencyKey = None,
        headers: Headers | None = None,
    ) -> list[BatchItem]:
        """Decide about many clients: a result or a problem for each, in order: `CreditClient.score_batch`."""
        return await self._run(self._exchange.score_batch(items, idempotency_key, headers))

    async def explain(
        self,
        client_id: int,
        *,
        application: Mapping[str, float] | None = None,
        lang: Language | None = None,
        headers: Headers | None = None,
        **options: Any,
    ) -> Json:
        """All contributions to one client's score; further options go into the body as they are."""
        return await self._call(calls.ask("/v1/explain", calls.about(client_id, application, lang, options), headers))

    async def whatif(
        self,
        client_id: int,
        *,
        application: Mapping[str, float] | None = None,
        lang: Language | None = None,
        headers: Headers | None = None,
        **options: Any,
    ) -> Json:
        """What would change with other values, never a decision; further options go into the body as they are."""
        return await self._call(calls.ask("/v1/whatif", calls.about(client_id, application, lang, options), headers))

    async def features(self, client_id: int, *, headers: Headers | None = None) -> Json:
        """The stored features of one client, with their times and states."""
        return await self._call(calls.look(f"/v1/clients/{calls.segment(client_id)}/features", headers))

    async def decision(self, decision_id: str, *, headers: Headers | None = None) -> Json:
        """The record of a decision."""
        return await self._call(calls.look(f"/v1/decisions/{calls.segment(decision_id)}", headers))

    async def record_outcome(
        self, decision_id: str, outcome: Mapping[str, Any], *, headers: Headers | None = None
    ) -> Json:
        """Record what came of a decision; `outcome` is the body: `CreditClient.record_outcome`."""
        return await self._call(calls.tell(f"/v1/decisions/{calls.segment(decision_id)}/outcome", outcome, headers))

    async def record_override(
        self, decision_id: str, override: Mapping[str, Any], *, headers: Headers | None = None
    ) -> Json:
        """Record that a person decided otherwise; `override` is the body: `CreditClient.record_override`."""
        return await self._call(calls.tell(f"/v1/decisions/{calls.segment(decision_id)}/override", override, headers))

    async def models(self, *, headers: Headers | None = None) -> Json:
        """The registered models."""
        return await self._call(calls.look("/v1/models", headers))

    async def current_model(self, *, headers: Headers | None = None) -> Json:
        """The model that answers now."""
        return await self._call(calls.look("/v1/models/current", headers))

    async def ready(self, *, headers: Headers | None = None) -> Json:
        """State of the service, asked once: `CreditClient.ready`."""
        return await self._call(calls.look("/readyz", headers, repeatable=False))

    async def version(self, *, headers: Headers | None = None) -> Json:
        """Version of the service."""
        return await self._call(calls.look("/version", headers))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, call: Call[_T]) -> _T:
        return await self._run(self._exchange.call(call))

    async def _run(self, flow: Flow[_T]) -> _T:
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                result: _T = end.value
                return result
            outcome = await self._take(step)

    async def _take(self, step: Step) -> Outcome:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.send(step)
        except httpx.RequestError as error:
            return error
