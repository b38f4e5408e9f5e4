import pytest
from fastapi import APIRouter, Security
from pydantic import BaseModel

from serving.api.bodies import described
from serving.api.document import name_request_models, name_scopes


class Part(BaseModel):
    size: int = 1


class Body(BaseModel):
    part: Part
    parts: list[Part] = []


def document_of(*models, **schemas):
    paths = {f"/{at}": {"post": described(model)} for at, model in enumerate(models)}
    return {"paths": paths, "components": {"schemas": schemas}}


def body_schema(document, at=0):
    return document["paths"][f"/{at}"]["post"]["requestBody"]["content"]["application/json"]["schema"]


def test_models_of_bodies_become_components_that_references_lead_to():
    document = document_of(Body, Body)
    name_request_models(document)
    assert body_schema(document) == body_schema(document, 1) == {"$ref": "#/components/schemas/Body"}
    schemas = document["components"]["schemas"]
    assert set(schemas) == {"Body", "Part"}
    assert schemas["Body"]["properties"]["part"] == {"$ref": "#/components/schemas/Part"}
    assert "$defs" not in schemas["Body"]


def test_doing_it_again_changes_nothing():
    document = document_of(Body)
    name_request_models(document)
    before = repr(document)
    name_request_models(document)
    assert repr(document) == before


def test_a_model_that_answers_show_otherwise_keeps_its_name_there():
    answered = {"title": "Part", "type": "object", "properties": {}, "required": ["size"]}
    document = document_of(Body, Part=answered)
    name_request_models(document)
    schemas = document["components"]["schemas"]
    assert schemas["Part"] == answered
    assert schemas["Part-Input"]["properties"]["size"]["default"] == 1
    assert schemas["Body"]["properties"]["parts"]["items"] == {"$ref": "#/components/schemas/Part-Input"}


@pytest.mark.parametrize("schema", [{"$ref": "#/components/schemas/X"}, {"type": "string"}])
def test_a_body_of_another_kind_stays_as_it_is(schema):
    document = document_of(Body)
    document["paths"]["/0"]["post"]["requestBody"]["content"]["application/json"]["schema"] = schema
    name_request_models(document)
    assert body_schema(document) == schema


async def nothing():
    pass


def test_scopes_of_router_and_operation_are_named():
    router = APIRouter(dependencies=[Security(nothing, scopes=["score"])])
    router.add_api_route("/a", nothing, methods=["GET"], dependencies=[Security(nothing, scopes=["admin"])])
    free = APIRouter()
    free.add_api_route("/b", nothing)
    free.add_api_route("/c", nothing, include_in_schema=False, dependencies=[Security(nothing, scopes=["admin"])])
    document = {"paths": {"/a": {"get": {}}, "/b": {"get": {}}}}
    name_scopes(document, [router, free])
    assert document == {"paths": {"/a": {"get": {"x-scopes": ["score", "admin"]}}, "/b": {"get": {}}}}
