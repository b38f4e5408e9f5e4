"""Request bodies: read up to a limit, checked against their model, described for OpenAPI."""

from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from serving.api.problems import BodyTooLargeError, FieldProblem, InvalidRequestError, Problem

_Model = TypeVar("_Model", bound=BaseModel)
#: What authentication, admission and unforeseen errors can answer to any operation.
_ANYWHERE = (401, 403, 429, 500, 503)


async def raw_body(request: Request, limit: int) -> bytes:
    """The body.

    Raises:
        BodyTooLargeError: it has more than `limit` bytes.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLargeError(f"a body holds at most {limit} bytes")
    return bytes(body)


def parsed(request: Request, body: bytes, model: type[_Model]) -> _Model:
    """The body as `model`.

    Raises:
        InvalidRequestError: it is no JSON or breaks the model; names each field.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidRequestError([FieldProblem(field="Content-Type", message="must be application/json")])
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequestError.of(error) from None


def described(model: type[BaseModel], *headers: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of an operation whose body is read by `parsed`, and that knows these headers.

    References lead to the document's components, where `name_request_models` puts the models.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"requestBody": body} | ({"parameters": [*headers]} if headers else {})


def header(name: str, description: str, example: str | int, **schema: Any) -> dict[str, Any]:
    """An optional request header, as OpenAPI describes it; `schema` is that of its value, a string unless told."""
    parameter = {"name": name, "in": "header", "required": False, "description": description}
    return parameter | {"schema": {"type": "string"} | schema, "example": example}


def example(**answer: Any) -> dict[int | str, dict[str, Any]]:
    """`responses` of an operation whose answer has no model that could hold an example."""
    return {200: {"content": {"application/json": {"example": answer}}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of an operation: these problems, and those that any operation may meet."""
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase}
        for status in sorted({*statuses, *_ANYWHERE})
    }
