"""`POST /v1/whatif` in process, over real Redis and a real bundle."""

import numpy as np
import pytest
from api_world import CLIENTS, ApiWorld
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_servers import redis_server
from serving_world import FIRST_CLIENT

from credit.counterfactual.mutable import mutable_features
from credit.counterfactual.search import CounterfactualSearch
from credit.schemas.features import ViewStatus
from credit.what_if import StoredFeatures
from serving.schemas.whatif import WhatIfAnswer, WhatIfRequest
from serving.simulating import Simulations


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield ApiWorld(tmp_path_factory.mktemp("world"), server)


@pytest.fixture(scope="module")
def simulations(world):
    return Simulations(world.models)


def what_if(world, at, **more):
    answer = world.post("/v1/whatif", {"client_id": FIRST_CLIENT + at, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_without_overrides_nothing_differs(world):
    for at in range(0, CLIENTS, 5):
        answer = what_if(world, at)
        assert answer["simulation"] is True
        assert answer["before"] == answer["after"]
        assert answer["delta_probability"] == 0
        assert {one["delta"] for one in answer["delta_contributions"]} == {0.0}
    assert not world.decisions.records


def test_before_is_what_score_would_answer(world):
    scored = world.post("/v1/score", {"client_id": FIRST_CLIENT + 2}).json()
    world.decisions.records.clear()
    before = what_if(world, 2, overrides={"ext_source_1": 0.5})["before"]
    same = ("probability", "points", "threshold", "decision", "risk_band", "reasons")
    assert {name: before[name] for name in same} == {name: scored[name] for name in same}


def test_overriding_an_amount_is_what_score_does_with_it(world):
    amounts = {"amt_credit": 3.1, "amt_income_total": 0.7}
    scored = world.post("/v1/score", {"client_id": FIRST_CLIENT + 2, "application": amounts}).json()
    world.decisions.records.clear()
    assert what_if(world, 2, overrides=amounts)["after"]["probability"] == scored["probability"]


def test_contributions_differ_by_what_the_bundle_says(world):
    overrides = {"ext_source_1": None, "bureau_debt_sum": 2.0, "name_education_type": "cat_1", "flag_own_realty": 1}
    answer = what_if(world, 4, overrides=overrides)
    views = {name: batch.row(4) for name, batch in world.views.items()}
    changed = StoredFeatures(world.contract).changed(views, overrides)
    first, second = (world.bundle.reference_contributions(world.bundle.matrix(one))[0] for one in (views, changed))
    names = world.contract.names
    for one in answer["delta_contributions"]:
        own = [names.index(name) for name in one["members"]]
        assert one["before"] == pytest.approx(first[own].sum(), abs=1e-9)
        assert one["after"] == pytest.approx(second[own].sum(), abs=1e-9)
        assert one["delta"] == pytest.approx(one["after"] - one["before"], abs=1e-12)
    sizes = [abs(one["delta"]) for one in answer["delta_contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    moved = answer["after"]["margin"] - answer["before"]["margin"]
    assert sum(one["delta"] for one in answer["delta_contributions"]) == pytest.approx(moved, abs=1e-9)
    assert answer["delta_probability"] == answer["after"]["probability"] - answer["before"]["probability"]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, CLIENTS - 1),
    threshold=st.floats(0.05, 0.95),
    score=st.none() | st.floats(-1, 1, width=32),
)
def test_the_smallest_change_sent_as_an_override_turns_the_decision(world, simulations, at, threshold, score):
    overrides = {"ext_source_3": score}
    asked = WhatIfRequest(client_id=FIRST_CLIENT + at, overrides=overrides, threshold=threshold)
    answer = simulations.what_if(asked)
    change = answer.smallest_change
    assert (change is None) == (answer.search.outcome == "none")
    if change is None:
        return
    sent = overrides | {change.feature: change.change_to}
    again = simulations.what_if(asked.model_copy(update={"overrides": sent}))
    assert again.after.decision == change.decision != answer.after.decision
    assert again.after.probability == change.probability
    assert change.feature in mutable_features()


def test_some_change_is_found_over_http_with_its_text(world):
    for at in range(CLIENTS):
        start = what_if(world, at)["before"]["probability"]
        answer = what_if(world, at, threshold=start, lang="fr")
        if answer["smallest_change"]:
            break
    change = answer["smallest_change"]
    assert (answer["after"]["decision"], change["decision"]) == ("refused", "approved")
    assert change["text"] == mutable_features()[change["feature"]].text.fr
    assert change["feature"] in answer["search"]["features"]
    again = what_if(world, at, threshold=start, overrides={change["feature"]: change["change_to"]})
    assert again["after"]["decision"] == "approved"


def test_no_single_change_is_an_answer_of_its_own(world):
    answer = what_if(world, 1, threshold=1e-9)
    assert answer["smallest_change"] is None
    assert answer["search"]["outcome"] == "none"
    assert answer["search"]["complete"] is True
    assert answer["search"]["evaluations"] > 1


def test_a_person_decides_where_a_view_is_missing(world, simulations, monkeypatch):
    reader = world.models.current().reader
    read = reader.read

    def without_bureau(clients):
        views = read(clients)
        bureau = views["bureau"]
        absent = type(bureau)(
            bureau.spec, (ViewStatus.NOT_FOUND,), bureau.as_of_us, bureau.built_us, bureau.numeric * np.nan,
            bureau.strings,
        )  # fmt: skip
        return views | {"bureau": absent}

    monkeypatch.setattr(reader, "read", without_bureau)
    answer = simulations.what_if(WhatIfRequest(client_id=FIRST_CLIENT, overrides={"bureau_debt_sum": 1.0}))
    assert (answer.before.decision, answer.after.decision) == ("referred", "referred")
    assert (answer.smallest_change, answer.search.outcome) == (None, "referred")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"code_gender": "F"}, "no stored feature"),
        ({"credit_to_annuity": 3}, "computed with each request"),
        ({"name_education_type": "never seen"}, "one of: cat_0, cat_1, cat_2, cat_3"),
        ({"name_education_type": 3}, "one of"),
        ({"ext_source_1": "high"}, "a number or null"),
        ({"ext_source_1": 1e39}, "must lie between"),
        ({"flag_own_realty": 0.5}, "whole number"),
        ({"flag_own_realty": 2**31}, "must lie between"),
        ({"amt_credit": 0}, "must lie between"),
        ({"amt_credit": -5}, "must lie between"),
    ],
)
def test_impossible_overrides_are_named(world, overrides, told):
    answer = world.post("/v1/whatif", {"client_id": FIRST_CLIENT, "overrides": overrides})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    (found,) = answer.json()["errors"]
    assert found["field"] == f"overrides.{next(iter(overrides))}"
    assert told in found["message"]


def test_every_impossible_override_is_named_at_once(world):
    answer = world.post("/v1/whatif", {"client_id": FIRST_CLIENT, "overrides": {"a": 1, "ext_source_1": 1, "b": None}})
    assert [found["field"] for found in answer.json()["errors"]] == ["overrides.a", "overrides.b"]


@pytest.mark.parametrize(
    "body",
    [
        {"client_id": 1, "threshold": 0},
        {"client_id": 1, "threshold": 1},
        {"client_id": 1, "threshold": "0.5"},
        {"client_id": 1, "overrides": {"ext_source_1": True}},
        {"client_id": 1, "overrides": {"ext_source_1": [1]}},
        {"client_id": 1, "overrides": {"": 1}},
        {"client_id": 1, "overrides": []},
        {"client_id": 1, "overrides": {f"f{at}": 1 for at in range(501)}},
        {"client_id": 1, "decide": True},
    ],
)
def test_an_invalid_what_if_is_refused(world, body):
    answer = world.post("/v1/whatif", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_numbers_beyond_all_bounds_are_refused(world):
    for number in ("1e999", "NaN", "1" * 400):
        content = f'{{"client_id": 1, "overrides": {{"ext_source_1": {number}}}}}'.encode()
        (answer,) = world.call(
            {"method": "POST", "url": "/v1/whatif", "content": content, "headers": {"Content-Type": "application/json"}}
        )
        assert answer.status_code == 422, number
        (found,) = answer.json()["errors"]
        assert found == {"field": "overrides.ext_source_1", "message": "must be a finite number, a text or null"}


def test_an_unknown_client_is_not_simulated(world):
    answer = world.post("/v1/whatif", {"client_id": 5})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_client")


def test_a_new_model_gets_a_search_of_its_own(world):
    simulations = Simulations(world.models)
    wanted = WhatIfRequest(client_id=FIRST_CLIENT + 1, threshold=0.5)
    first = simulations.what_if(wanted)
    kept = world.models.current()
    world.models.swap(world.model(1))
    try:
        second = simulations.what_if(wanted)
        views = {name: batch.row(1) for name, batch in world.views.items()}
        expected = CounterfactualSearch(world.bundle).smallest_change(views, 0.5)
    finally:
        world.models.swap(kept)
    assert (first.model.version, second.model.version) == ("1", "2")
    assert second.search.evaluations == expected.evaluations
    assert (second.smallest_change is None) == (expected.change is None)


def test_the_example_is_valid():
    for example in WhatIfAnswer.model_config["json_schema_extra"]["examples"]:
        WhatIfAnswer.model_validate(example)
