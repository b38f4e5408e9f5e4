"""Traces as a collector gets them: real OTLP over HTTP, from a real replica with Redis and a bundle."""

import asyncio
import os
import subprocess
import sys

import httpx
import pytest
from otlp_receiver import attributes_of, otlp_receiver
from redis_servers import redis_server
from serving_world import FIRST_CLIENT, World, write_clients

from credit.errors import SettingsError, UnknownClientError
from serving.replica import Replica
from serving.settings import ServingSettings
from serving.tracing import NO_TRACING, code_of, open_tracing, trace_id_of

# MLflow maps its tables with an option that SQLAlchemy wants to remove.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow")

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UNKNOWN = 987654321
STAGES = {"total", "read", "predict", "explain", "record"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracing")
    world = World(folder / "world")
    world.registry.register(world.bundle(0))
    with redis_server(folder / "redis") as redis:
        with redis.client() as client:
            write_clients(client, world.contract, 3)
        yield world.environment(redis.url)


@pytest.fixture
def receiver():
    with otlp_receiver() as running:
        yield running


@pytest.fixture
def replica(environment, monkeypatch, receiver):
    made = []

    def make(**settings):
        for name, value in (environment | {"OTEL_BSP_SCHEDULE_DELAY": "100"} | settings).items():
            monkeypatch.setenv(name, value)
        made.append(Replica(ServingSettings.load()))
        return made[-1]

    yield make
    for each in made:
        each.close()


def answers(replica, *requests):
    """Answers of a ready replica, requests at the same time."""

    async def go():
        transport = httpx.ASGITransport(replica.api())
        async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
            replica.start()
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.05)
            return await asyncio.gather(*(client.request(**request) for request in requests))

    return asyncio.run(go())


def score(client_id, traceparent=None):
    headers = {} if traceparent is None else {"traceparent": traceparent}
    return {"method": "POST", "url": "/v1/score", "json": {"client_id": client_id}, "headers": headers}


def test_a_request_and_its_stages_are_one_trace_below_the_callers(replica, receiver):
    running = replica(SERVING_OTLP_ENDPOINT=receiver.url)
    (answer,) = answers(running, score(FIRST_CLIENT, f"00-{TRACE}-{CALLER}-01"))
    assert answer.status_code == 200
    spans = {span.name: span for span in receiver.wait_for(6)}
    assert spans.keys() == {"POST /v1/score"} | STAGES  # probes are not traced
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    root, total = spans["POST /v1/score"], spans["total"]
    assert (root.parent_span_id.hex(), root.kind) == (CALLER, root.SPAN_KIND_SERVER)
    assert total.parent_span_id == root.span_id
    assert {spans[name].parent_span_id for name in STAGES - {"total"}} == {total.span_id}
    assert attributes_of(root) == {
        "http.request.method": "POST", "http.route": "/v1/score", "http.response.status_code": 200,
        "credit.request_id": answer.headers["x-request-id"],
    }  # fmt: skip
    assert receiver.resources[0]["service.name"] == "credit-scoring"


def test_requests_at_the_same_time_keep_their_own_traces(replica, receiver):
    running = replica(SERVING_OTLP_ENDPOINT=f"{receiver.url}/v1/traces")
    given = [f"{number:032x}" for number in range(1, 9)]
    parent = f"00-{TRACE}-{CALLER}-01"
    batch = {"items": [{"client_id": FIRST_CLIENT + at % 3} for at in range(60)]}
    answers(
        running,
        *(score(FIRST_CLIENT, f"00-{trace}-{CALLER}-01") for trace in given),
        {"method": "POST", "url": "/v1/score/batch", "json": batch, "headers": {"traceparent": parent}},
    )
    spans = receiver.wait_for(8 * 6 + 1 + 3 * 4)
    for trace in given:
        names = [span.name for span in spans if span.trace_id.hex() == trace]
        assert sorted(names) == sorted({"POST /v1/score"} | STAGES)
    assert sum(span.trace_id.hex() == TRACE for span in spans) == 13


def test_failures_are_told_by_their_code_and_nothing_tells_the_client(replica, receiver):
    running = replica(SERVING_OTLP_ENDPOINT=receiver.url)
    answers(running, score(UNKNOWN), {"method": "GET", "url": f"/v1/clients/{UNKNOWN}"})
    spans = {span.name: span for span in receiver.wait_for(5)}
    assert attributes_of(spans["POST /v1/score"])["error.type"] == "unknown_client"
    assert spans["POST /v1/score"].status.code == 0  # a 404 is the caller's
    assert attributes_of(spans["GET other"])["http.response.status_code"] == 404
    assert str(UNKNOWN) not in str([*spans.values()])


def test_a_failed_stage_is_told_by_its_code(replica, receiver):
    running = replica(SERVING_OTLP_ENDPOINT=receiver.url)
    running.start()
    with pytest.raises(UnknownClientError), running.service.metrics.stage("read"):
        raise UnknownClientError(UNKNOWN)
    (span,) = receiver.wait_for(1)
    assert (span.status.code, span.status.message) == (2, "unknown_client")
    assert str(UNKNOWN) not in str(span)


def test_callers_decide_for_their_traces_and_the_share_for_the_rest(replica, receiver):
    running = replica(SERVING_OTLP_ENDPOINT=receiver.url, SERVING_TRACE_SAMPLE_SHARE="0")
    answers(
        running,
        score(FIRST_CLIENT),
        score(FIRST_CLIENT, f"00-{'1' * 32}-{CALLER}-00"),
        score(FIRST_CLIENT, f"00-{TRACE}-{CALLER}-01"),
    )
    assert {span.trace_id.hex() for span in receiver.wait_for(6)} == {TRACE}


def test_a_collector_that_hangs_delays_no_answer(replica, receiver):
    receiver.answering.clear()
    running = replica(SERVING_OTLP_ENDPOINT=receiver.url)
    found = answers(running, *[score(FIRST_CLIENT)] * 40)
    assert {answer.status_code for answer in found} == {200}
    assert not receiver.spans
    receiver.answering.set()
    receiver.wait_for(40 * 6)


def test_a_collector_that_is_away_costs_nothing(replica):
    running = replica(SERVING_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert [answer.status_code for answer in answers(running, score(FIRST_CLIENT))] == [200]


def test_without_an_address_nothing_that_exports_is_imported(environment):
    program = (
        "import sys\n"
        "from serving.replica import Replica\n"
        "from serving.settings import ServingSettings\n"
        "replica = Replica(ServingSettings.load())\n"
        "with replica.service.metrics.stage('read'): pass\n"
        "replica.api()\n"
        "replica._pool.shutdown()\n"
        "exporting = ('opentelemetry.sdk.trace', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(exporting)])\n"
    )
    # redis-py imports what OpenTelemetry has for metrics wherever it is installed.
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("address", ["collector:4318", "grpc://collector", "http://"])
def test_a_malformed_address_is_refused(environment, monkeypatch, address):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="SERVING_OTLP_ENDPOINT"):
        ServingSettings.load(otlp_endpoint=address)
    assert open_tracing(ServingSettings.load()) is NO_TRACING


def test_errors_have_codes():
    assert (code_of(UnknownClientError(5)), code_of(ValueError("5"))) == ("unknown_client", "ValueError")


@pytest.mark.parametrize(("given", "found"), [(f"00-{TRACE}-{CALLER}-01", TRACE), (f"00-{'0' * 32}-{CALLER}-01", None)])
def test_trace_ids_of_callers(given, found):
    assert trace_id_of(given) == found
