"""The Open Inference Protocol, version 2 (REST): the raw model by feature matrix. Nothing is recorded."""

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from credit import __version__
from serving.api.access import caller_of
from serving.api.bodies import described, header, problems, raw_body
from serving.api.context import Edge
from serving.api.problems import OPEN_INFERENCE_PATH, FieldProblem, InvalidRequestError, NotFoundError
from serving.api.workers import DEADLINE
from serving.inference.inference import Answer, Inference
from serving.inference.metadata import model_metadata
from serving.model_store import LoadedModel
from serving.raw_features.errors import InvalidFeaturesError
from serving.schemas.inference import (
    InferAnswer,
    InferRequest,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
)

#: Says that binary tensors follow the JSON, whose length it is.
LENGTH_HEADER: Final = "Inference-Header-Content-Length"
_BINARY_TYPE: Final = "application/octet-stream"
_MEDIA_TYPES: Final = ("", "application/json", _BINARY_TYPE)
_MODEL: Final = OPEN_INFERENCE_PATH + "/models/{model_name}"
_VERSION: Final = _MODEL + "/versions/{model_version}"


def router(edge: Edge) -> APIRouter:
    """`/v2` and all below it."""
    found = APIRouter(tags=["open inference"])
    _add_health(found, edge)
    _add_metadata(found, edge)
    _add_inference(found, edge)
    return found


def _add_health(found: APIRouter, edge: Edge) -> None:
    @found.get(f"{OPEN_INFERENCE_PATH}/health/live", summary="Whether the process runs", response_model=Live)
    async def live() -> Response:
        """Says nothing about the model."""
        return _json(Live(live=True))

    @found.get(
        f"{OPEN_INFERENCE_PATH}/health/ready",
        summary="Whether a model is loaded",
        response_model=Ready,
        responses=problems(503),
    )
    async def ready() -> Response:
        """Inference needs no store; `/readyz` tells whether decisions can be made."""
        edge.service.models.current()
        return _json(Ready(ready=True))

    @found.get(
        f"{_MODEL}/ready", summary="Whether this model is loaded", response_model=ModelReady, responses=problems(404)
    )
    async def model_ready(model_name: str) -> Response:
        """The name is the registered model's."""
        return _json(ModelReady(name=_served(edge, model_name).version.name, ready=True))

    @found.get(
        f"{_VERSION}/ready",
        summary="Whether this model version is loaded",
        response_model=ModelReady,
        responses=problems(404),
    )
    async def version_ready(model_name: str, model_version: str) -> Response:
        """404 when another version answers by now."""
        return _json(ModelReady(name=_served(edge, model_name, model_version).version.name, ready=True))


def _add_metadata(found: APIRouter, edge: Edge) -> None:
    described_by: dict[str, Any] = {
        "response_model": ModelMetadata,
        "responses": problems(404),
        "dependencies": edge.needs("score"),
    }

    @found.get(OPEN_INFERENCE_PATH, summary="The server and its extensions", response_model=ServerMetadata)
    async def server() -> Response:
        """Tensors may travel in binary form, both ways."""
        return _json(ServerMetadata(name="credit-scoring", version=__version__, extensions=("binary_tensor_data",)))

    @found.get(_MODEL, summary="The model's tensors", **described_by)
    async def metadata(model_name: str) -> Response:
        """One input for each feature, in the model's order; they may also come as one FP64 tensor `features`."""
        return _json(model_metadata(_served(edge, model_name)))

    @found.get(_VERSION, summary="The tensors of this model version", **described_by)
    async def version_metadata(model_name: str, model_version: str) -> Response:
        """Only the version that answers now is known."""
        return _json(model_metadata(_served(edge, model_name, model_version)))


def _add_inference(found: APIRouter, edge: Edge) -> None:
    described_by: dict[str, Any] = {
        "response_model": InferAnswer,
        "responses": problems(404, 413, 422),
        "dependencies": edge.needs("score"),
        "openapi_extra": described(
            InferRequest,
            header(
                LENGTH_HEADER, "Bytes of JSON before binary tensors, if there are any.", 512, type="integer", minimum=1
            ),
            DEADLINE,
        ),
    }

    @found.post(f"{_MODEL}/infer", summary="Infer rows of features", **described_by)
    async def infer(request: Request, model_name: str) -> Response:
        """Probability, margin and decision of each row; `contributions` when it is among the wanted `outputs`.

        The inputs are one tensor for each feature (FP64, FP32, INT64, INT32 or BOOL; BYTES for categories), or one
        FP64 tensor `features` of shape [n, f] with categories as codes. NaN, null and empty texts stand for missing.
        """
        return await _infer(edge, request, _served(edge, model_name))

    @found.post(f"{_VERSION}/infer", summary="Infer rows of features with this version", **described_by)
    async def version_infer(request: Request, model_name: str, model_version: str) -> Response:
        """As without a version; 404 when another version answers by now."""
        return await _infer(edge, request, _served(edge, model_name, model_version))


def _served(edge: Edge, name: str, version: str | None = None) -> LoadedModel:
    """The model that answers, if it is the one that was asked for."""
    model = edge.service.models.current()
    if name != model.version.name:
        raise NotFoundError(f"there is no such model; {model.version.name} is served")
    if version not in (None, model.version.version):
        raise NotFoundError(f"this version is not served; version {model.version.version} is")
    return model


async def _infer(edge: Edge, request: Request, model: LoadedModel) -> Response:
    body = await raw_body(request, edge.bodies.batch)
    length = _json_length(request, body)
    try:
        if len(body) <= edge.bodies.single:
            return _answered(await edge.workers.run(request, lambda: Inference(model, body, length).answer()))
        (asked,) = await edge.workers.run_chunks(request, [partial(Inference, model, body, length)])
        caller_of(request).spend(asked.rows, paid=1)
        parts = await edge.workers.run_chunks(request, [partial(asked.part, start) for start in asked.parts()])
        return _answered(*await edge.workers.run_chunks(request, [partial(asked.joined, parts)]))
    except InvalidFeaturesError as error:
        raise InvalidRequestError(
            [FieldProblem(field=f"inputs.{name}", message=text) for name, text in error.findings.items()]
        ) from None
    except ValidationError as error:
        raise InvalidRequestError.of(error) from None


def _json_length(request: Request, body: bytes) -> int | None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise InvalidRequestError(
            [FieldProblem(field="Content-Type", message="must be application/json or application/octet-stream")]
        )
    given = request.headers.get(LENGTH_HEADER)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given) <= len(body)):
        raise InvalidRequestError([FieldProblem(field=LENGTH_HEADER, message="must be the bytes of JSON in the body")])
    return int(given)


def _answered(answer: Answer) -> Response:
    if answer.header is None:
        return Response(answer.body, media_type="application/json")
    return Response(answer.body, media_type=_BINARY_TYPE, headers={LENGTH_HEADER: str(answer.header)})


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
