"""The service as users get it: `creditctl serve` on Ray Serve behind HAProxy, real Redis, real MLflow, over HTTP."""

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import tritonclient.http as triton
from archiving import archive_now
from raw_features_world import stored_values
from redis_servers import free_port
from serving_service import CLIENTS, creditctl_serve
from serving_world import FIRST_CLIENT, PROJECT

from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.schemas.decision import DecisionRecord, decision_stream_key
from credit.scoring import replay

STREAM = decision_stream_key(PROJECT)


@pytest.fixture(scope="module")
def redis(service):
    return service.redis


@pytest.fixture(scope="module")
def bundle(service):
    return load_bundle(service.world.bundle(0), load_public_key(service.world.public_key))


def test_every_probability_is_the_bundles_own_bit_for_bit(service, bundle):
    expected = bundle.predict(bundle.matrix(service.views)).probability.tolist()
    answered = [service.score({"client_id": FIRST_CLIENT + at}).json()["probability"] for at in range(CLIENTS)]
    assert answered == expected


def test_an_answer_holds_what_it_promises(service):
    answer = service.score({"client_id": FIRST_CLIENT}, headers={"X-Request-ID": "mine-7"})
    assert answer.status_code == 200
    assert answer.headers.get_list("x-request-id") == ["mine-7"]
    body = answer.json()
    assert set(body) == {
        "client_id", "decision_id", "probability", "prediction", "decision", "threshold", "risk_band", "reasons",
        "features", "model", "points", "quality",
    }  # fmt: skip
    assert body["decision"] == ("refused" if body["prediction"] else "approved")
    assert 1 <= len(body["reasons"]) <= 4
    assert all(state["status"] == "present" for state in body["features"].values())
    assert body["model"] == {"name": "credit-scoring", "version": service.version}


def test_the_decision_is_in_the_stream_before_the_answer_and_replays(service, bundle, redis):
    body = service.score({"client_id": FIRST_CLIENT + 3}, headers={"X-Request-ID": "mine-8"}).json()
    with redis.client() as client:
        (_, fields), *_ = client.xrevrange(STREAM, count=1)
    record = DecisionRecord.model_validate_json(fields[b"record"])
    assert (record.decision_id, record.client_id, record.request_id) == (
        body["decision_id"], FIRST_CLIENT + 3, "mine-8",
    )  # fmt: skip
    assert record.model.bundle == bundle.bundle_id
    assert replay(record, bundle).probability == body["probability"]


def test_raw_features_and_the_inference_protocol_give_the_scored_probability(service, bundle):
    scored = service.score({"client_id": FIRST_CLIENT}).json()
    predicted = service.http.post("/predict", json={"features": stored_values(service.views, 0)}).json()
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        rows = bundle.matrix(service.views)
        tensor = triton.InferInput("features", rows.shape, "FP64")
        tensor.set_data_from_numpy(rows)
        inferred = client.infer("credit-scoring", [tensor], model_version=service.version).as_numpy("probability")
    assert predicted["probability"] == scored["probability"] == inferred[0]
    assert [service.http.get(path).status_code for path in ("/", "/health", "/redoc", "/data/drift")] == [
        200,
        200,
        200,
        404,
    ]


def test_a_score_is_explained_over_http_and_nothing_is_recorded(service, bundle, redis):
    client_id = FIRST_CLIENT + 4
    scored = service.score({"client_id": client_id}).json()
    with redis.client() as client:
        before = client.xlen(STREAM)
    explained = service.http.post("/v1/explain", json={"client_id": client_id}).json()
    views = {name: batch.row(4) for name, batch in service.views.items()}
    (expected,) = bundle.reference_contributions(bundle.matrix(views))
    told = {one["feature"]: one["contribution"] for one in explained["contributions"]}
    assert [told[name] for name in bundle.contract.names] == pytest.approx(expected[:-1].tolist(), abs=1e-9)
    assert explained["probability"] == scored["probability"]

    asked = {"client_id": client_id, "overrides": {"bureau_debt_sum": None}, "threshold": 0.5}
    simulated = service.http.post("/v1/whatif", json=asked).json()
    assert (simulated["simulation"], simulated["before"]["probability"]) == (True, scored["probability"])
    if (change := simulated["smallest_change"]) is not None:
        asked["overrides"][change["feature"]] = change["change_to"]
        assert service.http.post("/v1/whatif", json=asked).json()["after"]["decision"] == change["decision"]
    with redis.client() as client:
        assert client.xlen(STREAM) == before


def test_stored_features_and_models_are_told_over_http(service, bundle):
    stored = service.http.get(f"/v1/clients/{FIRST_CLIENT}/features").json()
    bureau = service.views["bureau"]
    told = [stored["views"]["bureau"]["values"][name]["value"] for name in bureau.spec.numeric]
    assert told == [None if value != value else value for value in bureau.numeric[0].tolist()]
    assert service.http.get("/v1/clients/999999999/features").json()["code"] == "unknown_client"

    current = service.http.get("/v1/models/current")
    assert (current.json()["bundle"], current.json()["alias"]) == (bundle.bundle_id, "champion")
    tag = current.headers["etag"]
    assert service.http.get("/v1/models/current", headers={"If-None-Match": tag}).status_code == 304
    ranked = service.http.get("/v1/models/current/features", params={"top_n": 5}).json()
    assert len(ranked["features"]) == 5
    _eventually(lambda: service.http.get("/v1/models").json()["registry"] == "available")
    versions = service.http.get("/v1/models").json()["versions"]
    assert [(one["version"], one["aliases"]) for one in versions] == [(service.version, ["champion"])]


def test_an_unknown_client_is_not_scored(service):
    answer = service.score({"client_id": 999_999_999})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_client")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"client_id": "100002"}', "client_id"),
        (b'{"client_id": 1.0}', "client_id"),
        (b'{"client_id": true}', "client_id"),
        (b'{"client_id": NaN}', "client_id"),
        (b'{"client_id": 0}', "client_id"),
        (b'{"client_id": 9223372036854775808}', "client_id"),
        (b'{"client_id": 1, "extra": 2}', "extra"),
        (b"{}", "client_id"),
        (b"{", "body"),
        (b"", "body"),
    ],
)
def test_an_invalid_request_names_the_field(service, content, field):
    answer = service.score(content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [found["field"] for found in answer.json()["errors"]] == [field]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_service_tells_its_state(service):
    ready = service.http.get("/readyz").json()
    assert (ready["status"], ready["authentication"], ready["model"]["version"]) == ("ready", "off", service.version)
    assert service.http.get("/livez").status_code == 200
    assert "authentication is off" in service.log.read_text()


def test_the_docs_page_and_its_scripts_are_served(service):
    page = service.http.get("/docs")
    assert page.status_code == 200
    assert "cdn" not in page.text
    assert service.http.get("/docs/assets/swagger-ui-bundle.js").status_code == 200
    assert "/v1/score" in service.http.get("/openapi.json").json()["paths"]


def test_haproxy_is_in_front_and_listens_locally(service):
    listeners = _listeners(service.port)
    assert listeners == {"0100007F"}  # 127.0.0.1 as the kernel writes it
    assert any("haproxy" in command for command in _commands())


def test_concurrent_requests_are_all_answered_and_all_recorded(service, redis):
    with redis.client() as client:
        before = client.xlen(STREAM)
    with ThreadPoolExecutor(8) as pool:
        ids = [FIRST_CLIENT + at % CLIENTS for at in range(200)]
        answers = list(pool.map(lambda client_id: service.score({"client_id": client_id}), ids))
    assert [answer.json()["client_id"] for answer in answers] == ids
    assert len({answer.json()["decision_id"] for answer in answers}) == len(ids)
    with redis.client() as client:
        assert client.xlen(STREAM) == before + len(ids)


def test_a_decision_lives_on_after_it_was_archived(service, redis):
    archive_now(redis.url, PROJECT, service.home / "decisions")  # what other tests left
    body, headers = {"client_id": FIRST_CLIENT}, {"Idempotency-Key": "lives-on"}
    answer = service.score(body, headers=headers)
    decision_id = answer.json()["decision_id"]
    at_once = service.http.get(f"/v1/decisions/{decision_id}")
    day = at_once.json()["record"]["decided_at"][:10]
    outcome = service.http.post(f"/v1/decisions/{decision_id}/outcome", json={"outcome": "repaid", "date": day})
    assert archive_now(redis.url, PROJECT, service.home / "decisions").archived["events"] == 1
    later = service.http.get(f"/v1/decisions/{decision_id}")
    assert later.json() == at_once.json() | {"outcome": outcome.json()}
    override = {"decision": "approved", "author": "J. Martin", "reason": "Income was confirmed."}
    assert service.http.post(f"/v1/decisions/{decision_id}/override", json=override).status_code == 200
    assert service.score(body, headers=headers).content == answer.content
    assert service.http.get(f"/v1/decisions/{decision_id[:-1]}z").status_code == 404


def test_a_new_champion_takes_over_without_a_failed_request(service):
    stop, answers = threading.Event(), []

    def ask():
        with httpx.Client(base_url=service.http.base_url, timeout=20) as http:
            while not stop.is_set():
                answers.append(http.post("/v1/score", json={"client_id": FIRST_CLIENT}))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        newer = service.world.registry.register(service.world.bundle(1))
        _eventually(lambda: service.score({"client_id": FIRST_CLIENT}).json()["model"]["version"] == newer)
    finally:
        stop.set()
        asking.join()
    assert {answer.status_code for answer in answers} == {200}
    by_version = {version: set() for version in (service.version, newer)}
    for answer in answers:
        by_version[answer.json()["model"]["version"]].add(answer.json()["probability"])
    assert [len(probabilities) for probabilities in by_version.values()] == [1, 1]
    service.world.registry.promote(service.version)
    _eventually(lambda: service.score({"client_id": FIRST_CLIENT}).json()["model"]["version"] == service.version)


def test_without_redis_answers_are_503_and_it_recovers_by_itself(service, redis):
    kept = service.score({"client_id": FIRST_CLIENT}).json()["decision_id"]
    redis.kill()
    for _ in range(20):
        answer = service.score({"client_id": FIRST_CLIENT})
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert answer.headers["retry-after"] == "1"
    assert service.http.get("/readyz").status_code == 503
    assert service.http.get("/livez").status_code == 200
    redis.start()
    _eventually(lambda: service.score({"client_id": FIRST_CLIENT}).status_code == 200)
    with redis.client() as client:
        recorded = [json.loads(fields[b"record"])["decision_id"] for _, fields in client.xrange(STREAM)]
    assert kept in recorded
    assert service.process.poll() is None


def test_a_silent_redis_gives_503_too(service, redis):
    redis.pause()
    try:
        answer = service.score({"client_id": FIRST_CLIENT})
    finally:
        redis.resume()
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    _eventually(lambda: service.score({"client_id": FIRST_CLIENT}).status_code == 200)


def test_a_taken_port_is_a_clear_error(service):
    refused = subprocess.run(
        creditctl_serve("--port", str(service.port)),
        env=service.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{service.port}" in refused.stderr


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"SERVING_REDIS_URL": "redis://127.0.0.1:1/0"}, "creditctl redis start"),
        ({"SERVING_PUBLIC_KEY_PATH": "/nonexistent/key.pem"}, "cannot read the key"),
        (
            {"SERVING_MLFLOW_TRACKING_URI": "sqlite:////nonexistent/m.db", "SERVING_BUNDLE_CACHE": "/nonexistent"},
            "train",
        ),
        ({"SERVING_HOST": "0.0.0.0"}, "loopback"),
    ],
)
def test_what_is_missing_is_told_before_anything_starts(service, changed, told):
    refused = subprocess.run(
        creditctl_serve("--port", str(free_port())),
        env=service.environment() | changed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert told in refused.stderr


def test_sigterm_ends_every_process(service):
    """Last: the service is stopped here; whoever needs one afterwards gets another."""
    own = set(_descendants(service.process.pid))
    assert len(own) > 5
    assert service.stop() == 0
    alive = {process_id for process_id in own if Path(f"/proc/{process_id}").exists()}
    assert not alive
    assert _listeners(service.port) == set()


def _eventually(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _listeners(port: int) -> set[str]:
    """Local IPv4 addresses, in hexadecimal, that listen on `port`."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


def _commands() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_text())
        except OSError:
            continue
    return found


def _descendants(process_id: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        try:
            children += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return children + [deeper for child in children for deeper in _descendants(child)]
