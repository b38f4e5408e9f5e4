"""What surrounds every request: counts, the access log, the metrics' own port. Nothing in it tells about a client."""

import asyncio
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, generate_latest
from redis_servers import free_port
from starlette.requests import ClientDisconnect

from credit.errors import CreditError, UnknownClientError
from credit.schemas.decision import ModelVersion
from serving.api import application
from serving.api.access import Access
from serving.api.context import BodyLimits, Edge
from serving.api.problems import OverloadedError, RateLimitedError
from serving.api.workers import Admission, Workers
from serving.instruments import MOST_SERIES
from serving.metrics import ScoringMetrics
from serving.metrics_port import MetricsPort

CLIENT = 987654321
TRACE = "0af7651916cd43dd8448eb211c80319c"


class OddCodeError(CreditError):
    def __init__(self, code):
        self.code = code
        super().__init__("odd")


class CountingService:
    """All that the edge needs of a service."""

    def __init__(self):
        self.metrics = ScoringMetrics(CollectorRegistry())

    def shown(self):
        return generate_latest(self.metrics.registry).decode()


def by_client(edge):
    found = APIRouter(dependencies=edge.needs("score"))

    @found.get("/v1/clients/{client_id}/features")
    async def features(request: Request, client_id: int, how: str = ""):
        if how == "overloaded":
            raise OverloadedError("full")
        if how == "limited":
            raise RateLimitedError(2.0)
        if how == "left":
            raise ClientDisconnect
        if how == "broken":
            raise RuntimeError(f"client {client_id}")
        if how == "unknown":
            raise UnknownClientError(client_id)
        return {"in_flight": _value(edge.service.shown(), "credit_http_requests_in_flight")}

    return found


@pytest.fixture
def service():
    return CountingService()


@pytest.fixture
def get(service, monkeypatch, caplog):
    """Send one request; its answer and its line in the access log."""
    monkeypatch.setattr(application, "_ROUTERS", (by_client,))
    pool = ThreadPoolExecutor(1)
    workers = Workers(pool, Admission(1, 1.0, 1, 1.0))
    app = application.build_api(Edge(service, workers, Access(), BodyLimits(1, 1)))

    def send(path, method="GET", **headers):
        async def go():
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
                return await client.request(method, path, headers=headers)

        caplog.clear()
        with caplog.at_level("INFO", "serving.access"):
            answer = asyncio.run(go())
        return answer, [r.getMessage() for r in caplog.records if r.name == "serving.access"]

    yield send
    workers.close()
    pool.shutdown()


def _value(shown, name):
    return next(float(line.split()[-1]) for line in shown.splitlines() if line.startswith(name))


def test_the_access_log_is_one_json_line(get):
    _, lines = get(f"/v1/clients/{CLIENT}/features?secret=5", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    (line,) = map(json.loads, lines)
    assert line.pop("ms") >= 0
    assert line.pop("time") > 0
    assert len(line.pop("request_id")) == 36
    assert line == {
        "trace_id": TRACE, "caller": "anyone", "method": "GET", "route": "/v1/clients/{client_id}/features",
        "status": 200, "problem": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "route", "problem"),
    [
        (f"/v1/clients/{CLIENT}/features?how=unknown", 404, "/v1/clients/{client_id}/features", "unknown_client"),
        (f"/v1/clients/{CLIENT}/features?how=broken", 500, "/v1/clients/{client_id}/features", "internal"),
        (f"/v1/clients/{CLIENT}/features?how=left", 499, "/v1/clients/{client_id}/features", None),
        (f"/v1/client/{CLIENT}", 404, "other", "not_found"),
        ("/docs", 200, "/docs", None),
    ],
)
def test_neither_log_nor_metrics_tell_the_client(get, service, path, status, route, problem):
    _, (text,) = get(path)
    line = json.loads(text)
    assert (line["status"], line["route"], line["problem"]) == (status, route, problem)
    assert str(CLIENT) not in text + service.shown()
    assert f'credit_http_requests_total{{route="{route}",status="{status}"}} 1.0' in service.shown()


@pytest.mark.parametrize("given", ["", "00", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331", "é"])
def test_a_malformed_traceparent_is_no_trace(get, given):
    _, (text,) = get("/docs", traceparent=given.encode("latin-1"))
    assert json.loads(text)["trace_id"] is None


def test_made_up_methods_and_paths_make_no_series(get, service):
    for number in range(5):
        get(f"/made/up/{number}", method=f"VERB{number}")
    assert service.shown().count("credit_http_requests_total{") == 1


def test_requests_under_way_are_counted(get, service):
    answer, _ = get("/v1/clients/1/features")
    assert answer.json() == {"in_flight": 1.0}
    get("/v1/clients/1/features?how=broken")
    get("/v1/clients/1/features?how=left")
    assert _value(service.shown(), "credit_http_requests_in_flight") == 0


def test_refusals_are_counted_by_reason(get, service):
    get("/v1/clients/1/features?how=overloaded")
    get("/v1/clients/1/features?how=limited")
    get("/v1/clients/1/features?how=unknown")
    shown = service.shown()
    assert 'credit_admission_refused_total{reason="overloaded"} 1.0' in shown
    assert 'credit_admission_refused_total{reason="rate_limited"} 1.0' in shown
    assert shown.count("credit_admission_refused_total{") == 2


def test_unknown_outcomes_do_not_explode(service):
    for number in range(2 * MOST_SERIES):
        service.metrics.failed(OddCodeError(f"code-{number}"), None)
    shown = [line for line in service.shown().splitlines() if line.startswith("credit_score_requests_total{")]
    assert len(shown) == MOST_SERIES + 1
    assert f'credit_score_requests_total{{model_version="other",outcome="other"}} {MOST_SERIES}.0' in shown


def test_the_model_that_answers_is_named(service):
    for version in ("3", "4"):
        service.metrics.serving(ModelVersion(name="credit-scoring", version=version, bundle=version * 64))
    assert 'credit_model_info{bundle="333333333333",name="credit-scoring",version="3"} 0.0' in service.shown()
    assert 'credit_model_info{bundle="444444444444",name="credit-scoring",version="4"} 1.0' in service.shown()


def test_replicas_of_one_node_hold_the_metrics_port_together(tmp_path):
    port = free_port()
    metrics = [ScoringMetrics(CollectorRegistry(), tmp_path) for _ in range(2)]
    ports = [MetricsPort(each.registry, "127.0.0.1", port) for each in metrics]
    try:
        for each in (*ports, ports[0]):
            each.open()
        metrics[0].failed(OddCodeError("odd"), None)
        assert 'outcome="odd"} 1.0' in _scraped(port)
        ports[0].close()
        assert "credit_replicas 2.0" in _scraped(port)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _scraped(port, "/else")
    finally:
        for each in (*ports, *metrics):
            each.close()


def test_a_taken_metrics_port_is_told_and_costs_nothing_else(caplog):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = MetricsPort(CollectorRegistry(), "127.0.0.1", other.getsockname()[1])
        port.open()
        port.close()
    assert "metrics are not told" in caplog.text


def _scraped(port, path="/metrics"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()
