"""Query parameters: those an operation knows, each checked; any other is refused, and none is read twice."""

import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from serving.api.problems import FieldProblem, InvalidRequestError


def query(request: Request, *known: str) -> dict[str, str]:
    """The query parameters by name.

    Raises:
        InvalidRequestError: one is not known, or is given twice.
    """
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    found = [
        FieldProblem(field=name[:80], message="is no parameter of this operation")
        for name in names
        if name not in known
    ]
    found += [FieldProblem(field=name, message="is given twice") for name in known if names.count(name) > 1]
    if found:
        raise InvalidRequestError(found)
    return dict(given)


def share(parameters: Mapping[str, str], name: str) -> float | None:
    """A number from 0 to 1, or None where it is not given.

    Raises:
        InvalidRequestError: it is none.
    """
    if name not in parameters:
        return None
    try:
        value = float(parameters[name])
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InvalidRequestError([FieldProblem(field=name, message="must be a number from 0 to 1")])
    return value


def count(parameters: Mapping[str, str], name: str) -> int | None:
    """A whole number from 1 to 10,000, or None where it is not given.

    Raises:
        InvalidRequestError: it is none.
    """
    given = parameters.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 5 and 1 <= int(given) <= 10_000):
        raise InvalidRequestError([FieldProblem(field=name, message="must be a whole number from 1 to 10,000")])
    return int(given)


def query_parameter(name: str, description: str, schema: Mapping[str, Any], example: object) -> dict[str, Any]:
    """An optional query parameter, as OpenAPI describes it."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": dict(schema),
        "example": example,
    }
