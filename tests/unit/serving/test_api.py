import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from credit.errors import (
    CodecError,
    DecisionLogFullError,
    IncompleteFeaturesError,
    ModelNotReadyError,
    RegistryError,
    StoreUnavailableError,
    UnknownClientError,
)
from credit.schemas.decision import DataQuality, Decision, ModelVersion, Reason, ViewState
from credit.schemas.features import ViewStatus
from credit.schemas.overrides import Overrides
from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge
from serving.api.workers import Admission, Workers
from serving.metrics import ScoringMetrics
from serving.orders import Asked, Claim, Order
from serving.schemas.score import AnsweringModel, ScoreAnswer

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
VERSION = ModelVersion(name="credit-scoring", version="3", bundle="b" * 64)
LIMITS = Admission(ongoing_requests=2, request_timeout=20.0, ongoing_batches=1, batch_timeout=20.0)
BODIES = BodyLimits(single=1_000, batch=100_000)


class StubService:
    """A scoring service that answers one thing."""

    def __init__(self):
        self.error = None
        self.calls = []
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.models = self
        self.metrics = ScoringMetrics(CollectorRegistry())

    def current(self):
        return self

    def snapshot(self):
        return self

    version = VERSION

    def score(self, order, asked):
        self.calls.append((order, asked))
        self.started.set()
        assert self.go_on.wait(20)
        self.check_stores()
        return answer_about(order.client_id)

    def score_many(self, orders, asked, models):
        assert models is self
        self.calls += zip(orders, asked, strict=True)
        assert self.go_on.wait(20)
        return [
            UnknownClientError(one.client_id) if one.client_id == 13 else answer_about(one.client_id) for one in orders
        ]

    def check_stores(self):
        if self.error is not None:
            raise self.error


def answer_about(client_id):
    state = ViewState(status=ViewStatus.PRESENT, as_of=MOMENT, built_at=MOMENT, age_seconds=0.5)
    return ScoreAnswer(
        client_id=client_id,
        decision_id="d-1",
        probability=0.1 + 0.2,
        points=500.25,
        prediction=1,
        decision=Decision.REFUSED,
        threshold=1 / 11,
        risk_band="E",
        reasons=(Reason(feature="amount", value=None, contribution=0.5, text="a reason"),),
        features={"application": state},
        quality=DataQuality(coverage=0.5),
        model=AnsweringModel(name=VERSION.name, version=VERSION.version),
    )


@pytest.fixture
def service():
    return StubService()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def call(service, pool):
    """Send requests to the application at once, and return their answers in order."""

    def send(*requests, limits=LIMITS, before=None):
        async def go():
            workers = Workers(pool, limits)
            transport = httpx.ASGITransport(build_api(Edge(service, workers, Access(), BODIES)))
            async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
                sent = [asyncio.ensure_future(client.request(**request)) for request in requests]
                if before is not None:
                    await before()
                return await asyncio.gather(*sent)

        return asyncio.run(go())

    return send


def post(body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {"method": "POST", "url": "/v1/score", "content": content, "headers": sent}


def get(url):
    return {"method": "GET", "url": url}


def assert_problem(answer, status, code):
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert {"type", "title", "detail", "instance", "request_id"} <= problem.keys()
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == (status == 503)
    return problem


def test_a_score_is_answered_bit_for_bit(call, service):
    (answer,) = call(post({"client_id": 100002}, X_Request_ID="mine-1"))
    assert answer.status_code == 200
    assert answer.json()["probability"] == 0.1 + 0.2
    assert answer.json()["features"]["application"] == {
        "status": "present",
        "as_of": "2026-01-02T00:00:00Z",
        "built_at": "2026-01-02T00:00:00Z",
        "age_seconds": 0.5,
    }
    assert answer.headers["x-request-id"] == "mine-1"
    assert service.calls == [(Order(100002), Asked("mine-1", "anyone"))]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"client_id": "100002"}, ["client_id"]),
        ({"client_id": True}, ["client_id"]),
        ({"client_id": 1.0}, ["client_id"]),
        ({"client_id": 1.5}, ["client_id"]),
        ({"client_id": None}, ["client_id"]),
        ({"client_id": [1]}, ["client_id"]),
        ({"client_id": 0}, ["client_id"]),
        ({"client_id": -5}, ["client_id"]),
        ({"client_id": 2**63}, ["client_id"]),
        (b'{"client_id": ' + b"9" * 900 + b"}", ["client_id"]),
        (b'{"client_id": NaN}', ["client_id"]),
        (b'{"client_id": Infinity}', ["client_id"]),
        (b'{"client_id": 1e3}', ["client_id"]),
        ({}, ["client_id"]),
        ({"client_id": 1, "threshold": 0.5}, ["threshold"]),
        ({"client_id": 1, "lang": "de"}, ["lang"]),
        ({"client_id": 1, "application": {"amt_credit": -1}}, ["application.amt_credit"]),
        ({"client_id": 1, "application": {"amt_credit": "9"}}, ["application.amt_credit"]),
        ({"client_id": 1, "application": {"name": 9}}, ["application.name"]),
        ({"client_id": 1, "reasons": 1}, ["reasons"]),
        ({"clientid": 1}, ["client_id", "clientid"]),
        ([], ["body"]),
        (b"", ["body"]),
        (b"{", ["body"]),
        (b"null", ["body"]),
        (b'"\xff"', ["body"]),
        (b"[" * 900, ["body"]),
        (b"\x00", ["body"]),
    ],
)
def test_an_invalid_request_names_its_fields(call, service, body, fields):
    (answer,) = call(post(body))
    problem = assert_problem(answer, 422, "invalid_request")
    assert sorted(found["field"] for found in problem["errors"]) == fields
    assert all(found["message"] for found in problem["errors"])
    assert not service.calls


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(call, media_type):
    (answer,) = call(post({"client_id": 1}, Content_Type=media_type))
    assert assert_problem(answer, 422, "invalid_request")["errors"][0]["field"] == "Content-Type"


def test_a_charset_may_be_named(call):
    (answer,) = call(post({"client_id": 1}, Content_Type="application/json; charset=utf-8"))
    assert answer.status_code == 200


@pytest.mark.parametrize("client_id", [1, 2**63 - 1])
def test_the_ends_of_the_range_are_valid(call, client_id):
    (answer,) = call(post({"client_id": client_id}))
    assert answer.json()["client_id"] == client_id


def test_a_large_body_is_refused(call):
    (answer,) = call(post(b" " * 1_001))
    assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnknownClientError(5), 404, "unknown_client"),
        (IncompleteFeaturesError(5, ["application"]), 409, "incomplete_features"),
        (StoreUnavailableError("gone"), 503, "store_unavailable"),
        (DecisionLogFullError("full"), 503, "decision_log_full"),
        (ModelNotReadyError(), 503, "model_not_ready"),
        (ModelNotReadyError(RegistryError("no answer")), 503, "registry"),
        (CodecError("altered"), 500, "feature_codec"),
        (RuntimeError("password=hunter2"), 500, "internal"),
    ],
)
def test_errors_are_problems(call, service, error, status, code):
    service.error = error
    (answer,) = call(post({"client_id": 5}))
    assert_problem(answer, status, code)
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [(get("/nothing"), 404, "not_found"), (get("/v1/score"), 405, "method_not_allowed")],
)
def test_unknown_paths_and_methods_are_problems(call, request_, status, code):
    (answer,) = call(request_)
    assert_problem(answer, status, code)


@pytest.mark.parametrize("given", ["", "with space", "a" * 129, "née"])
def test_an_odd_request_id_is_replaced(call, service, given):
    (answer,) = call(post({"client_id": 5}, X_Request_ID=given.encode("latin-1")))
    made = answer.headers["x-request-id"]
    assert made not in ("", given)
    assert service.calls[0][1].request_id == made


def test_more_requests_than_allowed_are_refused_at_once_and_probes_still_pass(call, service):
    service.go_on.clear()

    async def release():
        while len(service.calls) != 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        service.go_on.set()

    answers = call(*[post({"client_id": 5})] * 3, get("/livez"), before=release)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 503]
    assert_problem(next(answer for answer in answers if answer.status_code == 503), 503, "overloaded")


def test_a_request_that_takes_too_long_is_given_up(call, service):
    service.go_on.clear()
    try:
        (answer,) = call(post({"client_id": 5}), limits=Admission(2, 0.05, 1, 0.05))
    finally:
        service.go_on.set()
    assert_problem(answer, 503, "timeout")


def test_the_process_is_alive_whatever_happens(call, service):
    service.error = StoreUnavailableError("gone")
    (answer,) = call(get("/livez"))
    assert answer.json() == {"status": "alive"}


def test_readiness_tells_the_model_and_that_authentication_is_off(call):
    (answer,) = call(get("/readyz"))
    assert answer.json() == {"status": "ready", "authentication": "off", "model": VERSION.model_dump()}


def test_readiness_needs_the_stores(call, service):
    service.error = StoreUnavailableError("gone")
    (answer,) = call(get("/readyz"))
    assert_problem(answer, 503, "store_unavailable")


@pytest.mark.parametrize(
    ("path", "assets"), [("/docs", ("swagger-ui-bundle.js", "swagger-ui.css")), ("/redoc", ("redoc.standalone.js",))]
)
def test_the_docs_pages_need_no_other_host(call, path, assets):
    page, *loaded = call(get(path), *(get(f"/docs/assets/{name}") for name in assets))
    assert {answer.status_code for answer in (page, *loaded)} == {200}
    assert all(f'"/docs/assets/{name}"' in page.text for name in assets)
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none';")


def test_the_openapi_document_describes_bodies_and_problems(call):
    (answer,) = call(get("/openapi.json"))
    operation = answer.json()["paths"]["/v1/score"]["post"]
    schemas = answer.json()["components"]["schemas"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ScoreRequest"
    }
    assert {"client_id": 100002} in schemas["ScoreRequest"]["examples"]
    assert set(operation["responses"]) == {"200", "401", "403", "404", "409", "413", "422", "429", "500", "503"}
    for status, response in operation["responses"].items():
        expected = "application/json" if status == "200" else "application/problem+json"
        assert list(response["content"]) == [expected]
    example = schemas["ScoreAnswer"]["examples"][0]
    ScoreAnswer.model_validate_json(json.dumps(example))


def test_every_reference_of_the_openapi_document_leads_somewhere(call):
    (answer,) = call(get("/openapi.json"))
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
    assert references
    assert references <= answer.json()["components"]["schemas"].keys()


def test_the_access_log_tells_nothing_about_the_client(call, caplog):
    with caplog.at_level("INFO", "serving.access"):
        call(post({"client_id": 987654321}))
    (line,) = [json.loads(record.getMessage()) for record in caplog.records if record.name == "serving.access"]
    assert (line["route"], line["status"]) == ("/v1/score", 200)
    assert "987654321" not in json.dumps(line)


def test_our_edge_code_names_no_other_host():
    sources = Path(__file__).parents[3] / "serving"
    assert not [path.name for path in sources.rglob("*.py") if "cdn" in path.read_text().lower().replace("a cdn", "")]


def batch(body, **headers):
    return post(body, **headers) | {"url": "/v1/score/batch"}


def test_each_item_of_a_batch_gets_its_own_result_or_problem(call, service):
    items = [{"client_id": client} for client in range(1, 61)]
    items[3] |= {"application": {"amt_credit": 5}, "reasons": False, "lang": "fr"}
    (answer,) = call(batch({"items": items}, X_Request_ID="mine-1"))
    assert answer.status_code == 200
    found = answer.json()["items"]
    assert [item["client_id"] for item in found] == list(range(1, 61))
    assert [item["client_id"] for item in found if item["result"] is None] == [13]
    assert found[12]["problem"]["code"] == "unknown_client"
    assert found[0]["problem"] is None
    assert service.calls[3] == (Order(4, Overrides(amt_credit=5), False, "fr"), Asked("mine-1", "anyone"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": []}, "items"),
        ({"items": [{"client_id": 1}] * 1_001}, "items"),
        ({"items": [{"client_id": 1}, {"client_id": "2"}]}, "items.1.client_id"),
        ({"items": {"client_id": 1}}, "items"),
        ({}, "items"),
    ],
)
def test_an_invalid_batch_names_its_fields(call, service, body, field):
    (answer,) = call(batch(body))
    assert [found["field"] for found in assert_problem(answer, 422, "invalid_request")["errors"]] == [field]
    assert not service.calls


def test_batches_beyond_the_limit_are_refused_and_single_requests_pass(call, service):
    service.go_on.clear()

    async def release():
        while not service.calls:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        service.go_on.set()

    body = {"items": [{"client_id": 1}]}
    first, second, alive = call(batch(body), batch(body), get("/livez"), before=release)
    assert {first.status_code, second.status_code} == {200, 503}
    assert alive.status_code == 200


def test_the_same_idempotency_key_makes_the_same_claim(call, service):
    call(post({"client_id": 5}, Idempotency_Key="k"), post({"client_id": 6}, Idempotency_Key="k"))
    call(post({"client_id": 5}, Idempotency_Key="k"), post({"client_id": 5}, Idempotency_Key="l"))
    claims = [asked.claim for _, asked in service.calls]
    assert all(isinstance(claim, Claim) for claim in claims)
    assert claims.count(Claim.of("anyone", "k", b'{"client_id": 5}')) == 2
    assert len({claim.digest for claim in claims}) == 2


@pytest.mark.parametrize("key", ["", "a" * 256, "a\u00e9"])
def test_an_odd_idempotency_key_is_refused(call, key):
    (answer,) = call(post({"client_id": 5}, Idempotency_Key=key.encode("latin-1")))
    assert assert_problem(answer, 422, "invalid_request")["errors"][0]["field"] == "Idempotency-Key"


def test_a_caller_may_wait_less_but_not_longer(call, service):
    service.go_on.clear()
    try:
        (short,) = call(post({"client_id": 5}, X_Request_Timeout_Ms="50"))
        (long,) = call(post({"client_id": 5}, X_Request_Timeout_Ms="99999"), limits=Admission(2, 0.05, 1, 0.05))
    finally:
        service.go_on.set()
    assert_problem(short, 503, "timeout")
    assert_problem(long, 503, "timeout")


@pytest.mark.parametrize("given", ["0", "-5", "1.5", "soon", ""])
def test_an_odd_time_limit_is_refused(call, given):
    (answer,) = call(post({"client_id": 5}, X_Request_Timeout_Ms=given))
    assert assert_problem(answer, 422, "invalid_request")["errors"][0]["field"] == "X-Request-Timeout-Ms"


def test_metrics_are_exposed_for_prometheus(call, service):
    service.metrics.serving(VERSION)
    (answer,) = call(get("/metrics"))
    assert answer.headers["content-type"].startswith("text/plain")
    assert f'credit_model_info{{bundle="{"b" * 12}",name="credit-scoring",version="3"}} 1.0' in answer.text
