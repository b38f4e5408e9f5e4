"""`POST /v1/explain` and `GET /v1/clients/{id}/features` in process, over real Redis and a real bundle."""

import math

import numpy as np
import pytest
from api_world import CLIENTS, ApiWorld
from redis_servers import redis_server
from serving_world import FIRST_CLIENT, PROJECT

from credit.explanations import fold_contributions
from credit.features import RATIO_INPUTS
from credit.schemas.overrides import Overrides
from feature_repo.online.keys import client_key
from feature_repo.online.layout import layout_of
from serving.schemas.clients import ClientFeatures
from serving.schemas.explain import ExplainAnswer


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield ApiWorld(tmp_path_factory.mktemp("world"), server)


def row_of(views, at):
    return {name: batch.row(at) for name, batch in views.items()}


def explain(world, at, **more):
    answer = world.post("/v1/explain", {"client_id": FIRST_CLIENT + at, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("application", [{}, {"amt_credit": 2.5, "amt_annuity": 0.5}])
def test_contributions_are_lightgbms_own(world, application):
    for at in range(0, CLIENTS, 4):
        answer = explain(world, at, application=application)
        matrix = world.bundle.matrix(row_of(world.views, at), [Overrides(**application)])
        (expected,) = world.bundle.reference_contributions(matrix)
        told = {one["feature"]: one["contribution"] for one in answer["contributions"]}
        found = [told[name] for name in world.contract.names]
        np.testing.assert_allclose([*found, answer["base_value"]], expected, rtol=0, atol=1e-9)
        prediction = world.bundle.predict(matrix)
        assert (answer["margin"], answer["probability"]) == (prediction.margin[0], prediction.probability[0])
        assert answer["sum"] == pytest.approx(answer["margin"], abs=1e-9)
        strengths = [abs(one["contribution"]) for one in answer["contributions"]]
        assert strengths == sorted(strengths, reverse=True)


def test_the_waterfall_folds_reference_contributions_and_leads_to_the_margin(world):
    answer = explain(world, 3)
    matrix = world.bundle.matrix(row_of(world.views, 3))
    folded = fold_contributions(
        world.bundle.reference_contributions(matrix), world.contract.names, world.bundle.reason_texts
    )
    expected = dict(zip(folded.names, folded.contributions[0], strict=True))
    bars = answer["waterfall"]
    assert {bar["text"]: bar["contribution"] for bar in bars} == pytest.approx(expected, abs=1e-9)
    assert {bar["text"]: tuple(bar["members"]) for bar in bars} == dict(zip(folded.names, folded.members, strict=True))
    assert [abs(bar["contribution"]) for bar in bars] == sorted(
        (abs(bar["contribution"]) for bar in bars), reverse=True
    )
    assert bars[0]["start"] == answer["base_value"]
    assert [bar["start"] for bar in bars[1:]] == [bar["end"] for bar in bars[:-1]]
    assert all(bar["end"] == bar["start"] + bar["contribution"] for bar in bars)
    assert bars[-1]["end"] == answer["sum"] == pytest.approx(answer["margin"], abs=1e-9)


def test_weaker_bars_are_one_on_demand(world):
    whole, short = explain(world, 3), explain(world, 3, top=2)
    assert short["waterfall"][:2] == whole["waterfall"][:2]
    *_, rest = short["waterfall"]
    assert len(short["waterfall"]) == 3
    assert rest["text"] is None
    assert rest["contribution"] == pytest.approx(sum(bar["contribution"] for bar in whole["waterfall"][2:]))
    assert set(rest["members"]) == {name for bar in whole["waterfall"][2:] for name in bar["members"]}
    assert short["sum"] == pytest.approx(whole["sum"], abs=1e-12)
    assert explain(world, 3, top=1_000)["waterfall"] == whole["waterfall"]


def test_the_threshold_in_margin_units_parts_the_clients(world):
    for at in range(0, CLIENTS, 4):
        answer = explain(world, at)
        if abs(answer["margin"] - answer["threshold_margin"]) > 1e-9:
            assert (answer["margin"] > answer["threshold_margin"]) == (answer["probability"] >= answer["threshold"])


def test_values_come_as_they_are_and_texts_in_the_language(world):
    answer = explain(world, 5, lang="fr")
    values = {one["feature"]: one["value"] for one in answer["contributions"]}
    application = row_of(world.views, 5)["application"]
    for name, value in zip(application.spec.numeric, application.numeric[0], strict=True):
        if name in values:
            assert values[name] == (None if math.isnan(value) else value)
    assert {one["view"] for one in answer["contributions"] if one["feature"].startswith("requested_")} == {None}
    assert all(one["text"].startswith("motif ") for one in answer["contributions"])
    assert set(answer["features"]) == {"application", "bureau"}
    assert answer["quality"]["coverage"] <= 1
    assert answer["model"] == {"name": "credit-scoring", "version": "1"}


def test_explaining_records_nothing_and_needs_a_known_client(world):
    explain(world, 0)
    answer = world.post("/v1/explain", {"client_id": 5})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_client")
    assert not world.decisions.records


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "client_id"),
        ({"client_id": 1, "top": 0}, "top"),
        ({"client_id": 1, "top": 1.5}, "top"),
        ({"client_id": 1, "lang": "de"}, "lang"),
        ({"client_id": 1, "application": {"code_gender": 1}}, "application.code_gender"),
    ],
)
def test_an_invalid_request_to_explain_names_its_field(world, body, field):
    answer = world.post("/v1/explain", body)
    assert answer.status_code == 422
    assert [found["field"] for found in answer.json()["errors"]] == [field]


def test_stored_features_are_what_was_stored(world):
    for at in range(0, CLIENTS, 7):
        answer = world.get(f"/v1/clients/{FIRST_CLIENT + at}/features")
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert list(body["views"]) == ["application", "bureau"]
        for name, batch in row_of(world.views, at).items():
            view = body["views"][name]
            assert view["status"] == "present"
            assert 0 <= view["age_seconds"] < 1_000
            assert view["as_of"] == "2023-11-14T22:13:20Z"
            assert [*view["values"]] == [column.name for column in batch.spec.columns]
            for column, value in zip(batch.spec.numeric, batch.numeric[0], strict=True):
                assert view["values"][column]["value"] == (None if math.isnan(value) else value)
            for column, value in zip(batch.spec.strings, batch.strings[0], strict=True):
                assert view["values"][column]["value"] == value
        values = body["views"]["application"]["values"]
        assert values["amt_credit"]["in_model"] is False
        assert {name for name, one in values.items() if one["for_request_features"]} == set(RATIO_INPUTS)
        assert body["views"]["bureau"]["values"]["bureau_debt_sum"]["in_model"] is True


def test_a_view_without_a_row_is_shown_as_such(world):
    client_id = FIRST_CLIENT + 39
    with world.redis.client() as client:
        client.hdel(client_key(PROJECT, client_id), layout_of(world.contract.views[1]).field)
    bureau = world.get(f"/v1/clients/{client_id}/features").json()["views"]["bureau"]
    assert (bureau["status"], bureau["as_of"], bureau["age_seconds"]) == ("not_found", None, None)
    assert {one["value"] for one in bureau["values"].values()} == {None}


def test_an_unknown_client_has_no_features(world):
    answer = world.get("/v1/clients/77/features")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_client")


@pytest.mark.parametrize("odd", ["0", "-1", "abc", "1.5", "9" * 30])
def test_an_odd_client_id_is_a_problem(world, odd):
    answer = world.get(f"/v1/clients/{odd}/features")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"
    assert [found["field"] for found in answer.json()["errors"]] == ["client_id"]


@pytest.mark.parametrize("model", [ExplainAnswer, ClientFeatures])
def test_examples_are_valid(model):
    for example in model.model_config["json_schema_extra"]["examples"]:
        model.model_validate(example)
