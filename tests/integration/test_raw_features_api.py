"""The operations on raw features against stored clients in a real Redis."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from fastapi import Request
from fastapi.security import SecurityScopes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_features_world import Api, catalogue_bundle, problem, stored_values
from redis_servers import redis_server
from serving_world import FIRST_CLIENT, PROJECT, write_clients

from credit.schemas import drift as drift_schemas
from feature_repo.online.connection import RedisSettings
from feature_repo.online.reader import PackedReader
from serving.api.access import Access
from serving.api.problems import NotAllowedError
from serving.decision_log import RedisDecisionLog
from serving.schemas import inference, model_data, predict
from serving.schemas.predict import ExplainedPrediction, PredictAnswer, PredictBatchAnswer

CLIENTS = 30
FORM = {"AMT_CREDIT": 406597.5, "AMT_ANNUITY": 24700.5, "AMT_INCOME_TOTAL": 202500.0, "AMT_GOODS_PRICE": 351000.0}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return catalogue_bundle(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def access(redis):
    return RedisSettings(url=redis.url, connect_timeout=5, read_timeout=5)


@pytest.fixture(scope="module")
def views(redis, access, bundle):
    """What the online store holds of the clients."""
    with redis.client() as client:
        write_clients(client, bundle.contract, CLIENTS)
    reader = PackedReader(access, PROJECT, bundle.contract.views)
    yield reader.read(range(FIRST_CLIENT, FIRST_CLIENT + CLIENTS))
    reader.close()


@pytest.fixture(scope="module")
def api(access, bundle, views):
    reader = PackedReader(access, PROJECT, bundle.contract.views)
    decisions = RedisDecisionLog(access, PROJECT, 10_000)
    running = Api(bundle, reader, decisions)
    yield running
    running.close()
    running.service.close()
    reader.close()


def raw(views, row):
    return stored_values(views, row)


def test_a_stored_clients_values_are_predicted_as_the_client_is_scored(api, views):
    for row in range(CLIENTS):
        scored = api.post("/v1/score", {"client_id": FIRST_CLIENT + row}).json()
        predicted = api.post("/predict", {"features": raw(views, row)}).json()
        for name in ("probability", "points", "prediction", "decision", "threshold", "risk_band", "model"):
            assert predicted[name] == scored[name], name
        assert predicted["quality"]["coverage"] == scored["quality"]["coverage"]
        assert predicted["confidence"] == max(scored["probability"], 1 - scored["probability"])
        assert (predicted["recorded"], predicted["simulated"]) == (False, False)


def test_names_of_the_contract_alone_give_the_same(api, views, bundle):
    matrix = bundle.matrix(views)
    for row in range(5):
        values = {name: bundle.value(at, matrix[row, at]) for at, name in enumerate(bundle.contract.names)}
        predicted = api.post("/predict", {"features": values}).json()
        assert predicted["probability"] == float(bundle.predict(matrix).probability[row])


def test_nothing_is_recorded(api, views, bundle, redis):
    with redis.client() as client:
        before = client.dbsize()
        api.post("/predict", {"features": raw(views, 0)})
        api.post("/predict/explain", {"features": raw(views, 0)})
        matrix = bundle.matrix(views)[:1]
        tensor = {
            "name": "features",
            "shape": matrix.shape,
            "datatype": "FP64",
            "data": np.nan_to_num(matrix[0]).tolist(),
        }
        assert api.post("/v2/models/credit-scoring/infer", {"inputs": [tensor]}).status_code == 200
        assert client.dbsize() == before


def test_a_batch_is_bit_for_bit_its_items_and_one_bad_item_harms_no_other(api, views):
    items = [{"features": raw(views, row)} for row in range(CLIENTS)]
    items[3] = {"features": {"colour": "red"}}
    items[7] = {"features": {"bureau_active_count": 2}}
    answer = api.post("/predict/batch?threshold=0.3", {"items": items})
    PredictBatchAnswer.model_validate_json(answer.content)
    found = answer.json()["items"]
    assert [at for at, item in enumerate(found) if item["result"] is None] == [3, 7]
    assert found[3]["problem"]["code"] == "invalid_request"
    assert found[7]["problem"]["code"] == "incomplete_features"
    for at, item in enumerate(items):
        alone = api.post("/predict?threshold=0.3", item)
        assert found[at]["result"] == (alone.json() if alone.status_code == 200 else None)


def test_columns_of_an_application_give_the_features_of_the_same_value(api):
    form = FORM | {
        "DAYS_EMPLOYED": 365243,
        "ORGANIZATION_TYPE": "XNA",
        "NAME_EDUCATION_TYPE": "Higher education",
        "CODE_GENDER": "F",
        "OWN_CAR_AGE": None,
        "SK_ID_CURR": 100002,
    }
    names = {
        "amt_credit": 406597.5,
        "amt_annuity": 24700.5,
        "amt_income_total": 202500.0,
        "amt_goods_price": 351000.0,
        "days_employed": -1826,
        "name_education_type": "Higher education",
    }
    by_column, by_name = (api.post("/predict", {"features": features}).json() for features in (form, names))
    assert by_column["quality"].pop("unused") == ["CODE_GENDER", "SK_ID_CURR"]
    assert by_name["quality"].pop("unused") == []
    assert by_column == by_name


def test_request_time_features_are_computed_from_what_is_given(api):
    explained = api.post("/predict/explain", {"features": FORM}).json()
    values = {one["feature"]: one["value"] for one in explained["contributions"]}
    assert values["credit_to_annuity"] == 406597.5 / 24700.5
    assert values["requested_amt_credit"] == 406597.5
    assert values["ext_source_mean"] is None


def test_a_stated_request_time_feature_must_not_contradict_the_computed_one(api):
    same = api.post("/predict", {"features": FORM | {"credit_to_annuity": 16.46110807}})
    assert same.json()["probability"] == api.post("/predict", {"features": FORM}).json()["probability"]
    found = problem(api.post("/predict", {"features": FORM | {"credit_to_annuity": 17}}), 422, "invalid_request")
    assert [one["field"] for one in found["errors"]] == ["features.credit_to_annuity"]


def test_the_answer_says_how_much_was_missing_and_what_was_unknown(api, bundle):
    answer = api.post("/predict", {"features": FORM | {"NAME_EDUCATION_TYPE": "Self-taught", "EXT_SOURCE_1": 0.5}})
    PredictAnswer.model_validate_json(answer.content)
    quality = answer.json()["quality"]
    application = [feature for feature in bundle.contract.features if feature.view == "application"]
    assert quality["views"]["application"] == 2 / len(application)
    assert quality["views"]["bureau"] == 0
    assert quality["missing"] == [view.name for view in bundle.contract.views if view.name != "application"]
    assert set(quality["policies"].values()) == {"impute"}
    assert quality["unknown_categories"] == ["name_education_type"]


HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-from-raw-feature-api.md"


def test_the_requests_of_the_how_to_are_answered(api):
    requests = re.findall(r"    POST (\S+)\n\n```json\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    assert len(requests) == 3
    for path, body in requests:
        assert api.post(path, body.encode()).status_code == 200, path


def test_examples_in_the_openapi_document_are_what_is_answered(api):
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    modules = (predict, model_data, inference, drift_schemas)
    models = {name: one for module in modules for name, one in vars(module).items() if name in schemas}
    checked = [(model, example) for name, model in models.items() for example in schemas[name].get("examples", ())]
    assert len(checked) > 12
    for model, example in checked:
        model.model_validate_json(json.dumps(example))


def test_a_view_that_the_model_must_have_is_named_when_nothing_of_it_is_given(api):
    found = problem(api.post("/predict", {"features": {"bureau_active_count": 2}}), 409, "incomplete_features")
    assert "application" in found["detail"]
    problem(api.post("/predict", {"features": {"CODE_GENDER": "F"}}), 409, "incomplete_features")
    problem(api.post("/predict", {"features": {"AMT_CREDIT": None}}), 409, "incomplete_features")


@pytest.mark.parametrize(
    ("features", "fields"),
    [
        ({"colour": 1, "TARGET": 0}, ["TARGET", "colour"]),
        ({"AMT_CREDIT": "9"}, ["AMT_CREDIT"]),
        ({"AMT_CREDIT": True}, ["AMT_CREDIT"]),
        ({"AMT_CREDIT": [1]}, ["AMT_CREDIT"]),
        ({"AMT_CREDIT": 1e39}, ["AMT_CREDIT"]),
        ({"AMT_CREDIT": 10**400}, ["AMT_CREDIT"]),
        ({"AMT_CREDIT": math.inf}, ["AMT_CREDIT"]),
        ({"DAYS_EMPLOYED": -1.5}, ["DAYS_EMPLOYED"]),
        ({"days_employed": 2**31}, ["days_employed"]),
        ({"days_employed": 1.5}, ["days_employed"]),
        ({"DAYS_REGISTRATION": -1.5}, ["DAYS_REGISTRATION"]),
        ({"NAME_EDUCATION_TYPE": 5}, ["NAME_EDUCATION_TYPE"]),
        ({"CODE_GENDER": 5}, ["CODE_GENDER"]),
        ({"amt_credit": 1.0, "AMT_CREDIT": 1.0}, ["amt_credit"]),
        ({"credit_to_annuity": "2"}, ["credit_to_annuity"]),
    ],
)
def test_wrong_features_are_named(api, features, fields):
    answer = api.post("/predict", {"features": features})
    found = problem(answer, 422, "invalid_request")
    assert sorted(one["field"] for one in found["errors"]) == [f"features.{name}" for name in fields]


def test_only_the_first_findings_are_listed(api):
    found = problem(api.post("/predict", {"features": {f"x{at}" * 99: 1 for at in range(50)}}), 422, "invalid_request")
    assert len(found["errors"]) == 20
    assert len(json.dumps(found)) < 10_000


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/predict/explain"])
@pytest.mark.parametrize("query", ["threshold=2", "threshold=x", "threshold=nan", "threshold=", "cutoff=0.5"])
def test_an_odd_query_is_refused(api, path, query):
    body = {"items": [{"features": FORM}]} if path.endswith("batch") else {"features": FORM}
    problem(api.post(f"{path}?{query}", body), 422, "invalid_request")
    problem(api.post(f"{path}?threshold=0.1&threshold=0.2", body), 422, "invalid_request")


def test_a_threshold_is_a_simulation(api, bundle):
    plain = api.post("/predict", {"features": FORM}).json()
    lenient = api.post("/predict?threshold=1", {"features": FORM}).json()
    strict = api.post("/predict?threshold=0", {"features": FORM}).json()
    assert (plain["simulated"], plain["threshold"]) == (False, bundle.policy.threshold)
    assert (lenient["simulated"], lenient["decision"], lenient["prediction"]) == (True, "approved", 0)
    assert (strict["simulated"], strict["decision"], strict["prediction"]) == (True, "refused", 1)
    assert plain["probability"] == lenient["probability"] == strict["probability"]


def test_plain_facts_are_columns_of_an_application(api):
    facts = {
        "income": 202500,
        "credit_amount": 406597.5,
        "annuity": 24700.5,
        "goods_price": 351000,
        "age_years": 40,
        "years_employed": 2,
        "external_score_2": 0.25,
        "education": "Higher education",
        "owns_car": True,
    }
    columns = FORM | {"DAYS_EMPLOYED": -730, "EXT_SOURCE_2": 0.25, "NAME_EDUCATION_TYPE": "Higher education"}
    simple = api.post("/predict/simple", facts).json()
    full = api.post("/predict", {"features": columns | {"DAYS_BIRTH": -14610, "FLAG_OWN_CAR": "Y"}}).json()
    assert simple == full
    assert simple["quality"]["unused"] == ["DAYS_BIRTH"]


@pytest.mark.parametrize(
    "change", [{"income": 0}, {"income": "9"}, {"external_score_1": 2}, {"wage": 1}, {"annuity": None}]
)
def test_odd_plain_facts_are_named(api, change):
    facts = {"income": 1.0, "credit_amount": 1.0, "annuity": 1.0} | change
    found = problem(api.post("/predict/simple", facts), 422, "invalid_request")
    assert [one["field"] for one in found["errors"]] == [*change]


def test_contributions_add_up_to_the_margin_and_are_exact(api, views, bundle):
    answer = api.post("/predict/explain", {"features": raw(views, 1)})
    ExplainedPrediction.model_validate_json(answer.content)
    found = answer.json()
    pushes = {one["feature"]: one["contribution"] for one in found["contributions"]}
    own = bundle.contributions(bundle.matrix(views))[1]
    assert pushes == dict(zip(bundle.contract.names, own[:-1].tolist(), strict=True))
    assert found["base"] + sum(pushes.values()) == pytest.approx(found["margin"], abs=1e-9)
    assert found["rest"] == 0
    strongest = api.post("/predict/explain?top_n=3", {"features": raw(views, 1)}).json()
    assert strongest["contributions"] == found["contributions"][:3]
    shown = sum(one["contribution"] for one in strongest["contributions"])
    assert strongest["base"] + shown + strongest["rest"] == pytest.approx(found["margin"], abs=1e-9)


class NoScopes(Access):
    """Callers that may do nothing."""

    async def __call__(self, request: Request, needed: SecurityScopes) -> None:
        if needed.scopes:
            raise NotAllowedError("lacks " + ", ".join(needed.scopes))


def test_operations_need_their_scopes(bundle):
    closed = Api(bundle, access=NoScopes())
    try:
        reads = ("/model/info", "/model/features", "/model/feature-names", "/data/describe", "/data/drift")
        needs_score = [closed.get(path) for path in (*reads, "/v2/models/credit-scoring")]
        posts = ("/predict", "/predict/simple", "/predict/batch", "/v2/models/credit-scoring/infer")
        needs_score += [closed.post(path, {}) for path in (*posts, "/v2/models/credit-scoring/versions/3/infer")]
        assert {problem(answer, 403, "not_allowed")["detail"] for answer in needs_score} == {"lacks score"}
        explained = problem(closed.post("/predict/explain", {}), 403, "not_allowed")
        assert explained["detail"] == "lacks explain"
        free = ("/", "/health", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/credit-scoring/ready")
        assert {closed.get(path).status_code for path in free} == {200}
    finally:
        closed.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["AMT_CREDIT", "AMT_ANNUITY", "DAYS_EMPLOYED", "NAME_EDUCATION_TYPE", "credit_to_annuity", "ext_source_1",
     "bureau_active_count", "CODE_GENDER", "FLAG_DOCUMENT_2", "organization_type"]
)  # fmt: skip
FEATURES = st.dictionaries(NAMES | st.text(max_size=8), JSON | st.floats(-1e6, 1e6), max_size=6)
BODIES = {
    "/predict": st.fixed_dictionaries({"features": FEATURES}) | JSON,
    "/predict/explain": st.fixed_dictionaries({"features": FEATURES}) | JSON,
    "/predict/batch": st.fixed_dictionaries(
        {"items": st.lists(st.fixed_dictionaries({"features": FEATURES}), max_size=3)}
    ),
    "/predict/simple": st.dictionaries(st.sampled_from(["income", "credit_amount", "annuity", "age_years"]), JSON),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_body_makes_the_service_fail(api, data):
    path = data.draw(st.sampled_from([*BODIES]))
    body = data.draw(BODIES[path] | st.binary(max_size=30))
    answer = api.post(path, body)
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert "error" not in problem(answer, answer.status_code, answer.json()["code"])
