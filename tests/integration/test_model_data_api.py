"""What the service tells of itself, its model and its data."""

import numpy as np
import pytest
from raw_features_world import Api, Models, catalogue_bundle, problem
from redis_servers import redis_server

from credit.errors import ModelNotReadyError, StoreUnavailableError
from credit.schemas.drift import DriftSummary, drift_summary_key
from feature_repo.online.connection import RedisSettings
from serving.drift_summaries import RedisDriftSummaries

PROJECT = "testing"


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
def drift(access):
    summaries = RedisDriftSummaries(access, PROJECT)
    yield summaries
    summaries.close()


@pytest.fixture(scope="module")
def api(bundle, drift):
    running = Api(bundle, drift=drift)
    yield running
    running.close()


def test_the_service_tells_what_it_is_and_its_links_lead_somewhere(api):
    found = api.get("/").json()
    assert found["name"] == "credit-scoring"
    posts = ("score", "predict")
    assert {api.get(path).status_code for name, path in found["links"].items() if name not in posts} == {200}
    assert {api.get(found["links"][name]).status_code for name in posts} == {405}


def test_health_is_honest(api, bundle):
    assert api.get("/health").json()["status"] == "healthy"
    lonely = Api(bundle)
    try:
        lonely.reader.error = StoreUnavailableError("the online store does not answer")
        degraded = problem(lonely.get("/health"), 503, "degraded")
        assert (degraded["state"], degraded["checks"]["model"]) == ("degraded", "ok")
        lonely.service.models = Models(lonely.models.model, ModelNotReadyError())
        unavailable = problem(lonely.get("/health"), 503, "unavailable")
        assert unavailable["checks"]["model"] == "the model is being loaded"
        problem(lonely.post("/predict", {"features": {"AMT_CREDIT": 1}}), 503, "model_not_ready")
        assert problem(lonely.get("/v2/health/ready"), 503, "model_not_ready")["error"]
    finally:
        lonely.close()


def test_the_models_facts_and_features(api, bundle):
    info = api.get("/model/info").json()
    assert (info["name"], info["version"], info["bundle"]) == ("credit-scoring", "3", bundle.bundle_id)
    assert (info["features"], info["trees"]) == (len(bundle.contract.names), bundle.trees)
    ranking = api.get("/model/features?top_n=5").json()
    assert [one["rank"] for one in ranking["features"]] == [1, 2, 3, 4, 5]
    assert ranking["total"] == len(bundle.contract.names)
    assert sum(one["share"] for one in api.get("/model/features").json()["features"]) == pytest.approx(1)
    names = api.get("/model/feature-names").json()
    assert [one["name"] for one in names["features"]] == list(bundle.contract.names)
    assert names["columns"]["AMT_CREDIT"] == ["amt_credit"]
    assert names["columns"]["CODE_GENDER"] == []
    assert set(names["inputs"]) == {"amt_credit", "amt_annuity", "amt_goods_price", "amt_income_total"}


@pytest.mark.parametrize(
    "path",
    [
        "/model/features?top_n=0",
        "/model/features?top_n=x",
        "/model/features?top_n=-1",
        "/data/describe?source=/etc/passwd",
        "/data/describe?source=",
        "/data/drift?run=1",
        "/model/info?x",
        "/model/feature-names?a=1",
    ],
)
def test_unknown_parameters_are_refused(api, path):
    problem(api.get(path), 422, "invalid_request")


def test_the_reference_sample_is_described(api, bundle):
    found = api.get("/data/describe").json()
    sample = bundle.reference()
    assert found["rows"] == sample.num_rows
    assert set(found["features"]) == set(sample.column_names)
    values = sample["ext_source_1"].to_numpy()
    held = values[~np.isnan(values)]
    told = found["features"]["ext_source_1"]
    assert (told["count"], told["missing"]) == (held.size, 1 - held.size / values.size)
    assert told["median"] == pytest.approx(np.median(held))
    assert told["std"] == pytest.approx(held.std(ddof=1))


def test_the_newest_drift_summary_is_shown_once_there_is_one(api, redis):
    assert "run one" in problem(api.get("/data/drift"), 404, "not_found")["detail"]
    summary = {
        "created": "2026-01-02T00:00:00Z",
        "model_version": "3",
        "served_from": "2026-01-01T00:00:00Z",
        "served_until": "2026-01-02T00:00:00Z",
        "reference_rows": 5000,
        "served_rows": 700,
        "drifted": False,
        "drifted_share": 0.0,
        "features": {"ext_source_1": {"statistic": "psi", "value": 0.02, "limit": 0.2, "drifted": False}},
    }
    with redis.client() as client:
        client.set(drift_summary_key(PROJECT), DriftSummary.model_validate(summary).model_dump_json())
        try:
            assert api.get("/data/drift").json() == summary
        finally:
            client.delete(drift_summary_key(PROJECT))


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b'{"drifted": true}'])
def test_a_summary_that_is_none_is_a_fault_without_its_content(api, redis, stored):
    with redis.client() as client:
        client.set(drift_summary_key(PROJECT), stored)
        try:
            assert "not understood" in problem(api.get("/data/drift"), 500, "data")["detail"]
        finally:
            client.delete(drift_summary_key(PROJECT))


def test_a_store_of_summaries_that_is_away_is_told(bundle, tmp_path):
    with redis_server(tmp_path) as server:
        gone = RedisSettings(url=server.url, connect_timeout=1, read_timeout=1)
    summaries = RedisDriftSummaries(gone, PROJECT)
    lonely = Api(bundle, drift=summaries)
    try:
        problem(lonely.get("/data/drift"), 503, "store_unavailable")
    finally:
        lonely.close()
        summaries.close()
