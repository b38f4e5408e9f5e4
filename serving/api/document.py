"""What FastAPI leaves out of the OpenAPI document: models of bodies that operations read by themselves, and scopes."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fastapi import APIRouter
from fastapi.params import Security
from fastapi.routing import APIRoute
from pydantic import BaseModel

_PREFIX: Final = "#/components/schemas/"


def name_request_models(document: dict[str, Any]) -> None:
    """Move the models of request bodies, and those they are made of, to the components that references point to.

    A model that answers use too, but that looks different there (fields with a default always come in an answer), gets
    `-Input` behind its name, as FastAPI calls them. Doing it again changes nothing.
    """
    components: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for media in list(_request_media(document)):
        schema = media["schema"]
        if "title" not in schema or schema.get("type") != "object":
            continue
        models = {**schema.pop("$defs", {}), schema["title"]: schema}
        names = {name: _free_name(name, model, components) for name, model in models.items()}
        for name, model in models.items():
            components[names[name]] = _renamed(model, names)
        media["schema"] = {"$ref": f"{_PREFIX}{names[schema['title']]}"}


def _request_media(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        for operation in path.values():
            yield from operation.get("requestBody", {}).get("content", {}).values()


def _free_name(name: str, model: dict[str, Any], components: dict[str, Any]) -> str:
    return name if components.get(name, model) == model else f"{name}-Input"


def _renamed(part: Any, names: dict[str, str]) -> Any:
    """`part` of a schema with its references to models under their new names."""
    if isinstance(part, list):
        return [_renamed(each, names) for each in part]
    if not isinstance(part, dict):
        return part
    return {key: _reference(value, names) if key == "$ref" else _renamed(value, names) for key, value in part.items()}


def _reference(value: Any, names: dict[str, str]) -> Any:
    name = str(value).removeprefix(_PREFIX)
    return f"{_PREFIX}{names.get(name, name)}"


def restore_examples(document: dict[str, Any], routers: Iterable[APIRouter]) -> None:
    """Give examples of answers back what FastAPI drops from them: members that are null."""
    components: dict[str, Any] = document["components"]["schemas"]
    for route in _documented(routers):
        model = route.response_model
        extra = model.model_config.get("json_schema_extra") if isinstance(model, type(BaseModel)) else None
        if isinstance(extra, dict) and "examples" in extra and model.__name__ in components:
            components[model.__name__]["examples"] = extra["examples"]


def _documented(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield route


def name_scopes(document: dict[str, Any], routers: Iterable[APIRouter]) -> None:
    """Say in `x-scopes` which scopes an operation needs, also while authentication is off."""
    for route in _documented(routers):
        needed = [scope for each in route.dependencies if isinstance(each, Security) for scope in each.scopes or ()]
        for method in route.methods or () if needed else ():
            document["paths"][route.path_format][method.lower()]["x-scopes"] = needed
