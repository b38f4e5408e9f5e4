"""Two replicas behind HAProxy, observed: metrics as one, access logs, traces, and the doctor beside them."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from otlp_receiver import otlp_receiver
from prometheus_client.parser import text_string_to_metric_families
from redis_servers import free_port, redis_server
from serving_world import FIRST_CLIENT, World, write_clients

pytestmark = [
    pytest.mark.slow,
    # MLflow maps its tables with an option that SQLAlchemy wants to remove.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow"),
]
CLIENTS = 20
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Observed:
    """A running service of two replicas."""

    def __init__(self, folder: Path, redis, receiver) -> None:
        world = World(folder / "world")
        world.registry.register(world.bundle(0))
        with redis.client() as client:
            write_clients(client, world.contract, CLIENTS)
        self.home, self.log = folder / "home", folder / "serve.log"
        self.home.mkdir()
        self.port, self.metrics_port = free_port(), free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SERVING_"))}
        self.environment = inherited | world.environment(redis.url) | {
            "CREDIT_HOME": str(self.home), "SERVING_REPLICAS": "2", "SERVING_PORT": str(self.port),
            "SERVING_METRICS_PORT": str(self.metrics_port), "SERVING_OTLP_ENDPOINT": receiver.url,
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "another-librarys"), "OTEL_BSP_SCHEDULE_DELAY": "100",
        }  # fmt: skip
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "credit", "serve"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        eventually(lambda: "ready: " in self.log.read_text() or self.process.poll() is not None, 200)
        assert self.process.poll() is None, self.log.read_text()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        eventually(lambda: all(self.told(own)["credit_replicas",] == 2 for own in (False, True)))
        # Ready is who was asked; the other one may still load its model.
        eventually(lambda: all(answer.status_code == 200 for answer in self.score_many(40)))

    def score(self, client_id=FIRST_CLIENT, **headers):
        return self.http.post("/v1/score", json={"client_id": client_id}, headers=headers)

    def score_many(self, count):
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda at: self.score(FIRST_CLIENT + at % CLIENTS), range(count)))

    def told(self, own_port=False):
        address = f"http://127.0.0.1:{self.metrics_port if own_port else self.port}/metrics"
        families = text_string_to_metric_families(scraped(address))
        return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}

    def replicas(self):
        found = [path for path in Path("/proc").glob("[0-9]*") if b"ServeReplica" in read(path / "cmdline")]
        return [int(path.name) for path in found if str(self.home).encode() in read(path / "environ")]

    def stop(self):
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def scraped(address):
    """The metrics, over a connection of its own, so that any replica may answer; one that was just killed does not."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(address, timeout=20).raise_for_status().text
        except httpx.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def eventually(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def receiver():
    with otlp_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory, receiver):
    folder = tmp_path_factory.mktemp("observed")
    with redis_server(folder / "redis") as redis:
        running = Observed(folder, redis, receiver)
        try:
            yield running
        finally:
            running.stop()


def test_every_request_is_counted_once_whichever_replica_is_asked(service):
    before = service.told()
    answers = service.score_many(120)
    answers.append(service.score(999_999_999))
    assert [answer.status_code for answer in answers] == [200] * 120 + [404], [answer.text for answer in answers]
    for told in [service.told(own_port) for own_port in (False, True) for _ in range(6)]:
        more = {key: value - before.get(key, 0) for key, value in told.items()}
        assert more["credit_score_requests_total", "1", "ok"] == 120
        assert more["credit_score_requests_total", "1", "unknown_client"] == 1
        assert more["credit_score_pd_count",] == 120
        assert more["credit_http_requests_total", "/v1/score", "200"] == 120
        assert {more["credit_score_latency_seconds_count", stage] for stage in ("read", "total", "http")} == {121}
        assert told["credit_http_requests_in_flight",] in (0, 1)  # the scrape itself


def test_both_replicas_have_answered_and_their_logs_tell_no_client(service):
    files = [*(service.home / "run" / "serving").glob("access-*.log")]
    lines = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    scored = [sum(line["route"] == "/v1/score" for line in group) for group in lines]
    assert len(scored) == 2
    assert min(scored) > 10
    text = "".join(file.read_text() for file in files)
    assert str(FIRST_CLIENT) not in text
    assert "999999999" not in text


def test_a_callers_trace_goes_on(service, receiver):
    service.score(traceparent=f"00-{TRACE}-{CALLER}-01")
    eventually(lambda: sum(span.trace_id.hex() == TRACE for span in receiver.spans) == 6)
    spans = {span.name: span for span in receiver.spans if span.trace_id.hex() == TRACE}
    assert spans["POST /v1/score"].parent_span_id.hex() == CALLER
    assert spans["read"].parent_span_id == spans["total"].span_id


def test_the_doctor_finds_the_service_well(service):
    service.score()
    done = subprocess.run(
        [sys.executable, "-m", "credit", "doctor", "--json"], env=service.environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    found = {line["name"]: line for line in json.loads(done.stdout)}
    assert (found["service"]["verdict"], "version 1" in found["service"]["text"]) == ("ok", True)
    assert (found["alias"]["verdict"], found["bundle"]["verdict"], found["archive"]["verdict"]) == ("ok", "ok", "ok")


def test_sums_do_not_fall_when_a_replica_is_killed(service):
    before = service.told(own_port=True)
    killed, *_ = service.replicas()
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in service.replicas())
    name = ("credit_score_requests_total", "1", "ok")
    assert service.told()[name] == before[name]  # from the one that lives
    eventually(lambda: service.told()["credit_replicas",] == 2)
    assert service.told()[name] == before[name]
    assert service.told(own_port=True)[name] == before[name]


def test_another_librarys_folder_stays_empty(service):
    assert not (service.home.parent / "another-librarys").exists()
    assert service.stop() == 0
