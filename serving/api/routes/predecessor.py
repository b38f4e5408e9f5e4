"""Raw features in the body, as the predecessor of this API took them; what they are scored by is the same model."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from feature_repo.form_features import form_features
from serving.api.access import caller_of
from serving.api.bodies import described, parsed, problems, raw_body
from serving.api.context import Edge
from serving.api.problems import FieldProblem, InvalidRequestError
from serving.api.queries import count, query, query_parameter, share
from serving.api.workers import DEADLINE
from serving.model_store import LoadedModel
from serving.raw_features.errors import InvalidFeaturesError
from serving.raw_features.predictions import Features, explain, predict, predict_many
from serving.raw_features.simple import raw_columns
from serving.schemas.predict import (
    ExplainedPrediction,
    PredictAnswer,
    PredictBatchAnswer,
    PredictBatchRequest,
    PredictRequest,
    SimpleRequest,
)

#: Items that one turn of a batch takes: some milliseconds.
_CHUNK: Final = 10
_THRESHOLD: Final = query_parameter(
    "threshold",
    "Another threshold to try: a simulation, and marked as one.",
    {"type": "number", "minimum": 0, "maximum": 1},
    0.2,
)
_TOP_N: Final = query_parameter(
    "top_n", "How many to answer; all of them by default.", {"type": "integer", "minimum": 1, "maximum": 10_000}, 10
)
_Model = TypeVar("_Model", bound=BaseModel)


def router(edge: Edge) -> APIRouter:
    """`POST /predict`, `/predict/simple`, `/predict/batch` and `/predict/explain`."""
    form_features()  # read from files once: no request has to wait for it
    found = APIRouter(tags=["raw features"])
    predictions, explanations = edge.needs("score"), edge.needs("explain")

    async def single(request: Request, features: Features) -> Response:
        threshold = share(query(request, "threshold"), "threshold")
        return await _answered(
            edge.workers.run(request, _json_of(predict), edge.service.models.current(), features, threshold)
        )

    @found.post(
        "/predict",
        summary="Predict from raw features",
        response_model=PredictAnswer,
        responses=problems(409, 413, 422),
        dependencies=predictions,
        openapi_extra=described(PredictRequest, _THRESHOLD, DEADLINE),
    )
    async def predict_one(request: Request) -> Response:
        """The caller sends the features, so that no client is looked up and nothing is recorded."""
        return await single(request, (await _body(edge, request, PredictRequest)).features)

    @found.post(
        "/predict/simple",
        summary="Predict from a handful of plain facts",
        response_model=PredictAnswer,
        responses=problems(409, 413, 422),
        dependencies=predictions,
        openapi_extra=described(SimpleRequest, _THRESHOLD, DEADLINE),
    )
    async def predict_simple(request: Request) -> Response:
        """The facts become columns of an application; all else counts as missing."""
        return await single(request, raw_columns(await _body(edge, request, SimpleRequest)))

    @found.post(
        "/predict/batch",
        summary="Predict for up to 1,000 applications",
        response_model=PredictBatchAnswer,
        responses=problems(413, 422),
        dependencies=predictions,
        openapi_extra=described(PredictBatchRequest, _THRESHOLD, DEADLINE),
    )
    async def predict_batch(request: Request) -> Response:
        """Each item gets what it would get alone: its prediction or its own problem."""
        threshold = share(query(request, "threshold"), "threshold")
        wanted = await _body(edge, request, PredictBatchRequest)
        caller_of(request).spend(len(wanted.items), paid=1)
        model = edge.service.models.current()
        features = [item.features for item in wanted.items]
        parts = [features[start : start + _CHUNK] for start in range(0, len(features), _CHUNK)]
        answered = await edge.workers.run_chunks(request, [_Chunk(model, part, threshold) for part in parts])
        return Response(f'{{"items":[{",".join(answered)}]}}', media_type="application/json")

    @found.post(
        "/predict/explain",
        summary="Predict from raw features, with every contribution",
        response_model=ExplainedPrediction,
        responses=problems(409, 413, 422),
        dependencies=explanations,
        openapi_extra=described(PredictRequest, _THRESHOLD, _TOP_N, DEADLINE),
    )
    async def predict_explain(request: Request) -> Response:
        """Exact SHAP values in margin units: with the base value they add up to the margin."""
        parameters = query(request, "threshold", "top_n")
        threshold, top_n = share(parameters, "threshold"), count(parameters, "top_n")
        features = (await _body(edge, request, PredictRequest)).features
        model = edge.service.models.current()
        return await _answered(edge.workers.run(request, _json_of(explain), model, features, threshold, top_n))

    return found


class _Chunk:
    """Some items of a batch; answers their JSON, so that no other thread has to write it."""

    def __init__(self, model: LoadedModel, features: Sequence[Features], threshold: float | None) -> None:
        self._model = model
        self._features = features
        self._threshold = threshold

    def __call__(self) -> str:
        items = predict_many(self._model, self._features, self._threshold)
        return ",".join(item.model_dump_json() for item in items)


async def _body(edge: Edge, request: Request, model: type[_Model]) -> _Model:
    """The body; a whole vector of features needs a batch's room."""
    return parsed(request, await raw_body(request, edge.bodies.batch), model)


def _json_of(call: Callable[..., BaseModel]) -> Callable[..., str]:
    def answer(*arguments: Any) -> str:
        return call(*arguments).model_dump_json()

    return answer


async def _answered(answer: Awaitable[str]) -> Response:
    try:
        return Response(await answer, media_type="application/json")
    except InvalidFeaturesError as error:
        raise _invalid(error) from None


def _invalid(error: InvalidFeaturesError) -> InvalidRequestError:
    """The findings by field of the body."""
    return InvalidRequestError(
        [FieldProblem(field=f"features.{name}", message=text) for name, text in error.findings.items()]
    )
