"""Decisions: one client, or up to 1,000 in one request."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from credit.errors import CreditError
from serving.api.access import caller_of
from serving.api.bodies import described, header, parsed, problems, raw_body
from serving.api.context import Edge
from serving.api.problems import FieldProblem, InvalidRequestError
from serving.api.workers import DEADLINE
from serving.model_store import ModelSnapshot
from serving.orders import Asked, Claim, Order
from serving.schemas.score import (
    BatchAnswer,
    BatchItem,
    BatchRequest,
    ItemProblem,
    ScoreAnswer,
    ScoreRequest,
)

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
_LONGEST_KEY: Final = 255
#: Items that one turn of a batch takes: some milliseconds.
_CHUNK: Final = 25
_HEADERS: Final = (
    header(
        IDEMPOTENCY_HEADER,
        "The same key and body get the same decision, for a day.",
        "8e03978e-40d5-43dd-bc93",
        minLength=1,
        maxLength=_LONGEST_KEY,
        pattern="^[!-~]([ -~]*[!-~])?$",
    ),
    DEADLINE,
)


def router(edge: Edge) -> APIRouter:
    """`POST /v1/score` and `POST /v1/score/batch`."""
    found = APIRouter(tags=["decisions"], dependencies=edge.needs("score"))

    def score_now(order: Order, asked: Asked) -> str:
        return edge.service.score(order, asked).model_dump_json()

    @found.post(
        "/v1/score",
        summary="Decide about one client",
        response_model=ScoreAnswer,
        responses=problems(404, 409, 413, 422),
        openapi_extra=described(ScoreRequest, *_HEADERS),
    )
    async def score(request: Request) -> Response:
        """The client's features are read by id; the decision is recorded before it is answered."""
        body = await raw_body(request, edge.bodies.single)
        wanted = parsed(request, body, ScoreRequest)
        answer = await edge.workers.run(request, score_now, _order(wanted), _asked(request, body))
        return Response(answer, media_type="application/json")

    @found.post(
        "/v1/score/batch",
        summary="Decide about up to 1,000 clients",
        response_model=BatchAnswer,
        responses=problems(409, 413, 422),
        openapi_extra=described(BatchRequest, *_HEADERS),
    )
    async def batch(request: Request) -> Response:
        """Each item gets its own decision or its own problem, as if it had been sent alone."""
        body = await raw_body(request, edge.bodies.batch)
        wanted = parsed(request, body, BatchRequest)
        caller_of(request).spend(len(wanted.items), paid=1)
        asked = _asked(request, body)
        orders = [_order(item) for item in wanted.items]
        whose = [asked.item(at) for at in range(len(orders))]
        models = edge.service.models.snapshot()  # a batch is not half of one model and half of the next
        chunks = [
            _Chunk(edge, models, orders[start : start + _CHUNK], whose[start : start + _CHUNK])
            for start in range(0, len(orders), _CHUNK)
        ]
        answered = await edge.workers.run_chunks(request, chunks)
        return Response(f'{{"items":[{",".join(answered)}]}}', media_type="application/json")

    return found


class _Chunk:
    """Some items of a batch; answers their JSON, so that no other thread has to write it."""

    def __init__(self, edge: Edge, models: ModelSnapshot, orders: Sequence[Order], asked: Sequence[Asked]) -> None:
        self._edge = edge
        self._models = models
        self._orders = orders
        self._asked = asked

    def __call__(self) -> str:
        results = self._edge.service.score_many(self._orders, self._asked, self._models)
        items = (_item(order, result) for order, result in zip(self._orders, results, strict=True))
        return ",".join(item.model_dump_json() for item in items)


def _item(order: Order, result: ScoreAnswer | CreditError) -> BatchItem:
    if isinstance(result, CreditError):
        return BatchItem(client_id=order.client_id, problem=ItemProblem(code=result.code, detail=str(result)))
    return BatchItem(client_id=order.client_id, result=result)


def _order(wanted: ScoreRequest) -> Order:
    return Order(wanted.client_id, wanted.application, wanted.reasons, wanted.lang)


def _asked(request: Request, body: bytes) -> Asked:
    caller = caller_of(request).name
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None:
        return Asked(request.state.request_id, caller)
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= _LONGEST_KEY):
        problem = FieldProblem(
            field=IDEMPOTENCY_HEADER, message=f"must be 1 to {_LONGEST_KEY} printable ASCII characters"
        )
        raise InvalidRequestError([problem])
    return Asked(request.state.request_id, caller, Claim.of(caller, key, body))
