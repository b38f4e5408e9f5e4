"""Recorded decisions: read, told how they ended, overridden by a person."""

from datetime import date

from fastapi import APIRouter, Request
from starlette.responses import Response

from credit.schemas.decision import DecisionRecord
from serving.api.access import caller_of
from serving.api.bodies import described, parsed, problems, raw_body
from serving.api.context import Edge
from serving.api.problems import FieldProblem, InvalidRequestError
from serving.api.workers import DEADLINE
from serving.decisions_history import DecisionHistory
from serving.orders import Asked
from serving.schemas.decisions import (
    DecisionDetails,
    OutcomeAnswer,
    OutcomeRequest,
    OverrideAnswer,
    OverrideRequest,
)

_JSON = "application/json"


def router(edge: Edge) -> APIRouter:
    """`/v1/decisions/{decision_id}`, its outcome and its overrides; nothing where the edge has no history."""
    found = APIRouter(tags=["decisions"], dependencies=edge.needs("decisions"))
    if edge.history is None:
        return found
    history, workers = edge.history.decisions, edge.history.workers

    @found.get(
        "/v1/decisions/{decision_id}",
        summary="A recorded decision",
        response_model=DecisionDetails,
        responses=problems(404),
    )
    async def decision(request: Request, decision_id: str) -> Response:
        """Everything that was read and decided, at once and after archiving, with its outcome and overrides."""
        details = await workers.run(request, history.details, decision_id)
        return Response(details.model_dump_json(), media_type=_JSON)

    @found.post(
        "/v1/decisions/{decision_id}/outcome",
        summary="Tell how a decision ended",
        response_model=OutcomeAnswer,
        responses=problems(404, 409, 413, 422),
        openapi_extra=described(OutcomeRequest, DEADLINE),
    )
    async def outcome(request: Request, decision_id: str) -> Response:
        """Told again, it changes nothing; another outcome or date afterwards is a conflict."""
        wanted = parsed(request, await raw_body(request, edge.bodies.single), OutcomeRequest)
        event = await workers.run(request, _tell_outcome, history, decision_id, wanted, _asked(request))
        return Response(event, media_type=_JSON)

    @found.post(
        "/v1/decisions/{decision_id}/override",
        summary="Record a person's decision",
        response_model=OverrideAnswer,
        responses=problems(404, 413, 422),
        openapi_extra=described(OverrideRequest, DEADLINE),
    )
    async def override(request: Request, decision_id: str) -> Response:
        """The model's record stays as it is; the last override holds. Repeating the last one changes nothing."""
        wanted = parsed(request, await raw_body(request, edge.bodies.single), OverrideRequest)
        event = await workers.run(request, _override, history, decision_id, wanted, _asked(request))
        return Response(event, media_type=_JSON)

    return found


def _tell_outcome(history: DecisionHistory, decision_id: str, wanted: OutcomeRequest, asked: Asked) -> str:
    record = history.record(decision_id)
    _check_day(wanted.date, record, history.today())
    return history.tell_outcome(record, wanted.outcome, wanted.date, asked).model_dump_json()


def _override(history: DecisionHistory, decision_id: str, wanted: OverrideRequest, asked: Asked) -> str:
    record = history.record(decision_id)
    return history.override(record, wanted.decision, wanted.author, wanted.reason, asked).model_dump_json()


def _check_day(day: date, record: DecisionRecord, today: date) -> None:
    if day < record.decided_at.date():
        raise InvalidRequestError([FieldProblem(field="date", message="is before the decision")])
    if day > today:
        raise InvalidRequestError([FieldProblem(field="date", message="is in the future")])


def _asked(request: Request) -> Asked:
    return Asked(request.state.request_id, caller_of(request).name)
