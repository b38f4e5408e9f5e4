"""`GET /v1/models` and below in process, over real bundles; the registry's answer in every state."""

import asyncio
import json
import re
import threading
from datetime import UTC, datetime

import pytest
from api_world import ApiWorld
from redis_servers import redis_server

from credit.errors import RegistryError
from serving.registered_models import RegisteredModels
from serving.registry import ListedVersion
from serving.schemas.models import CurrentModel, FeatureRanking, ModelList

LISTED = ListedVersion("2", datetime(2026, 1, 2, tzinfo=UTC), ("champion",), "b" * 64)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield ApiWorld(tmp_path_factory.mktemp("world"), server)


@pytest.fixture
def registered():
    made = []

    def make(list_versions, **options):
        made.append(RegisteredModels("credit-scoring", "champion", list_versions, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_models_held_and_registered_are_listed(world, registered, monkeypatch):
    monkeypatch.setattr(world, "registered", registered(lambda name: (LISTED,) if name == "credit-scoring" else ()))
    first = world.get("/v1/models").json()
    assert first["current"]["bundle"] == world.bundle.bundle_id
    assert first["current"]["alias"] == "champion"
    assert first["previous"] is None
    assert first["versions"] == [
        {"version": "2", "created_at": "2026-01-02T00:00:00Z", "aliases": ["champion"], "bundle": "b" * 64}
    ]
    kept = world.models.current()
    world.models.swap(world.model(1))
    try:
        second = world.get("/v1/models").json()
    finally:
        world.models.swap(kept)
    assert (second["current"]["version"], second["previous"]["version"]) == ("2", "1")
    assert second["previous"]["alias"] is None


def test_without_a_registry_the_models_held_are_still_listed(world, registered, monkeypatch):
    def refuse(_name):
        raise RegistryError("away")

    for one in (None, registered(refuse)):
        monkeypatch.setattr(world, "registered", one)
        answer = world.get("/v1/models")
        assert answer.status_code == 200
        assert (answer.json()["registry"], answer.json()["versions"]) == ("unavailable", None)
        assert answer.json()["current"]["version"] == "1"


def test_a_registry_that_hangs_holds_nobody_up_and_is_asked_once(registered):
    go_on, asked = threading.Event(), []

    def hang(name):
        asked.append(name)
        assert go_on.wait(20)
        return (LISTED,)

    listing = registered(hang, limit=0.05)

    async def ask():
        found = [await listing.versions() for _ in range(3)]
        go_on.set()
        while not listing._asked[1].done():
            await asyncio.sleep(0.001)
        return [*found, await listing.versions()]

    assert asyncio.run(ask()) == [None, None, None, (LISTED,)]
    assert asked == ["credit-scoring"]


def test_an_answer_is_kept_for_a_moment_only(registered):
    asked = []

    def tell(name):
        asked.append(name)
        return (LISTED,)

    async def twice(listing):
        return [await listing.versions(), await listing.versions()]

    assert asyncio.run(twice(registered(tell, keep=60.0))) == [(LISTED,)] * 2
    assert len(asked) == 1
    assert asyncio.run(twice(registered(tell, keep=0.0))) == [(LISTED,)] * 2
    assert len(asked) == 3


def test_the_current_model_is_described(world):
    body = world.get("/v1/models/current").json()
    bundle = world.bundle
    assert (body["version"], body["bundle"]) == ("1", bundle.bundle_id)
    assert body["threshold"] == bundle.policy.threshold
    assert body["costs"] == {"false_negative": 10.0, "false_positive": 1.0}
    assert body["points"] == {"base": 600.0, "odds": 50.0, "doubling": 20.0}
    assert body["bands"]["names"] == ["A", "B", "C", "D", "E"]
    assert body["metrics"] == {"auc": 0.7}
    assert body["data"]["rows"] == {"train": 1_000}
    assert body["feature_service"] == "credit_scoring_v1"
    assert body["counts"]["features"] == len(world.contract.names)
    assert body["counts"]["stored"] + body["counts"]["request_time"] == body["counts"]["features"]
    assert body["counts"]["trees"] == bundle.trees


def test_features_are_ranked_by_importance(world, monkeypatch):
    importance = {name: float(at % 5) for at, name in enumerate(world.contract.names)}
    monkeypatch.setattr(world.bundle, "importance", importance)
    body = world.get("/v1/models/current/features?top_n=1000&lang=fr").json()
    names = [one["feature"] for one in body["features"]]
    assert body["total"] == len(names) == len(importance)
    assert [importance[name] for name in names] == sorted(importance.values(), reverse=True)
    assert [one["rank"] for one in body["features"]] == [*range(1, len(names) + 1)]
    assert sum(one["share"] for one in body["features"]) == pytest.approx(1.0)
    kinds = {one["feature"]: (one["view"], one["kind"], one["text"]) for one in body["features"]}
    assert kinds["name_education_type"][:2] == ("application", "categorical")
    assert kinds["credit_to_annuity"][:2] == (None, "numeric")
    assert all(text.startswith("motif ") for _, _, text in kinds.values())
    assert world.get("/v1/models/current/features?top_n=3").json()["features"][2]["feature"] == names[2]


@pytest.mark.parametrize("query", ["top_n=0", "top_n=many", "top_n=10001", "lang=de"])
def test_odd_queries_are_problems(world, query):
    answer = world.get(f"/v1/models/current/features?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [found["field"] for found in answer.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize("path", ["/v1/models/current", "/v1/models/current/features"])
def test_what_a_caller_has_already_is_not_sent_again(world, path):
    first = world.get(path)
    tag = first.headers["etag"]
    again = world.get(path, If_None_Match=f'"other", W/{tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert world.get(path, If_None_Match='"other"').status_code == 200
    kept = world.models.current()
    world.models.swap(world.model(1))
    try:
        assert world.get(path, If_None_Match=tag).status_code == 200
    finally:
        world.models.swap(kept)


@pytest.mark.parametrize("model", [CurrentModel, FeatureRanking, ModelList])
def test_examples_of_models_are_valid(model):
    for example in model.model_config["json_schema_extra"]["examples"]:
        model.model_validate(example)


def test_the_openapi_document_refers_to_nothing_that_it_lacks(world):
    text = world.get("/openapi.json").text
    referred = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text))
    assert {"Overrides", "ScoreRequest"} < referred
    assert referred <= set(json.loads(text)["components"]["schemas"])


def test_every_operation_is_documented_with_examples_and_problems(world):
    document = world.get("/openapi.json").json()
    for path in ("/v1/explain", "/v1/whatif", "/v1/clients/{client_id}/features", "/v1/models", "/v1/models/current",
                 "/v1/models/current/features"):  # fmt: skip
        (operation,) = document["paths"][path].values()
        assert operation["summary"]
        assert operation["description"]
        assert {"401", "403", "429", "503"} < set(operation["responses"])
        name = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert document["components"]["schemas"][name]["examples"]
