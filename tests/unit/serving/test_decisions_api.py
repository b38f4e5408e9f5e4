import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from archived_records import id_at
from archiving import archive_now
from decision_records import decision_record, keep
from redis_servers import redis_server
from serving_world import PROJECT, World

from credit.archive.archive import Archive
from credit.cli import run
from credit.schemas.decision import DecisionRecord, decision_stream_key, event_stream_key
from feature_repo.storage import Location
from serving.replica import Replica
from serving.schemas.decisions import DecisionDetails, OutcomeAnswer, OverrideAnswer
from serving.settings import ServingSettings
from serving.stores import decision_log

NOW = datetime.now(UTC)
KNOWN = id_at(NOW)
TODAY = NOW.date().isoformat()
OUTCOME = {"outcome": "default", "date": TODAY}
OVERRIDE = {"decision": "approved", "author": "J. Martin", "reason": "Income was confirmed."}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.bundle(0)  # makes the keys
    return world


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the archive lies."""
    return tmp_path_factory.mktemp("archive")


@pytest.fixture(scope="module")
def settings(world, server, folder):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.environment(server.url).items():
            patch.setenv(name, value)
        return ServingSettings.load(
            decision_archive=str(folder),
            decision_stream_limit=5,
            read_timeout_seconds=5.0,
            request_timeout_seconds=20.0,
        )


@pytest.fixture(scope="module")
def api(settings):
    """A replica that has no model yet; decisions can be read all the same."""
    replica = Replica(settings)
    yield replica.api()
    replica.service.close()
    replica._history.decisions.close()


@pytest.fixture
def client(server, folder):
    shutil.rmtree(folder, ignore_errors=True)
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def log(settings, client):
    log = decision_log(settings)
    yield log
    log.close()


@pytest.fixture
def record(log):
    return keep(log, decision_record(KNOWN).model_copy(update={"decided_at": NOW}))


@pytest.fixture
def call(api):
    """Send requests at once and return their answers in order."""

    def send(*requests):
        async def go():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://scoring") as http:
                return await asyncio.gather(*(http.request(**request) for request in requests))

        return asyncio.run(go())

    return send


@pytest.fixture
def archive(server, folder):
    return lambda: archive_now(server.url, PROJECT, folder)


def get(decision_id=KNOWN):
    return {"method": "GET", "url": f"/v1/decisions/{decision_id}"}


def post(what, body, decision_id=KNOWN, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {"method": "POST", "url": f"/v1/decisions/{decision_id}/{what}", "content": content, "headers": sent}


def assert_problem(answer, status, code):
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    return answer.json()


def test_a_decision_reads_the_same_at_once_and_after_archiving(call, record, archive, client):
    (at_once,) = call(get())
    assert DecisionRecord.model_validate(at_once.json()["record"]) == record
    assert (at_once.json()["outcome"], at_once.json()["overrides"]) == (None, [])
    archive()
    assert client.xlen(decision_stream_key(PROJECT)) == 0
    (later,) = call(get())
    assert later.content == at_once.content


@pytest.mark.parametrize("odd", [id_at(NOW, 5), "nobody", "..%2f..%2fetc%2fpasswd", KNOWN.upper(), "%00", "a" * 5_000])
def test_an_unknown_decision_is_not_found(call, record, archive, odd):
    archive()
    wanted = [get(odd), post("outcome", OUTCOME, odd), post("override", OVERRIDE, odd)]
    for answer in call(*wanted):
        assert answer.status_code == 404
        assert answer.json()["code"] in ("unknown_decision", "not_found")


def test_an_outcome_is_kept_with_who_told_it(call, record, client):
    (answer,) = call(post("outcome", OUTCOME, X_Request_ID="mine-1"))
    assert answer.status_code == 200
    event = OutcomeAnswer.model_validate_json(answer.content)
    assert (event.outcome, event.date.isoformat(), event.client_id) == ("default", TODAY, record.client_id)
    assert (event.request_id, event.caller, event.decision_id) == ("mine-1", "anyone", KNOWN)
    (details,) = call(get())
    assert details.json()["outcome"] == answer.json()
    ((_, fields),) = client.xrange(event_stream_key(PROJECT))
    assert json.loads(fields[b"record"]) == answer.json()


def test_an_outcome_told_again_is_harmless_and_a_contradiction_is_a_conflict(call, record, archive, client):
    (first,) = call(post("outcome", OUTCOME))
    for before in (lambda: None, archive):
        before()
        (again,) = call(post("outcome", OUTCOME, X_Request_ID="another"))
        assert (again.status_code, again.json()) == (200, first.json())
        other, day = call(
            post("outcome", OUTCOME | {"outcome": "repaid"}),
            post("outcome", OUTCOME | {"date": (NOW + timedelta(days=-1)).date().isoformat()}),
        )
        assert_problem(other, 409, "outcome_conflict")
        assert day.status_code == 422
    assert client.xlen(event_stream_key(PROJECT)) == 0


def test_the_same_outcome_on_another_day_is_a_conflict(call, log):
    early = NOW - timedelta(days=9)
    keep(log, decision_record(id_at(early)).model_copy(update={"decided_at": early}))
    first, second = (OUTCOME | {"date": (early + timedelta(days=days)).date().isoformat()} for days in (3, 4))
    assert call(post("outcome", first, id_at(early)))[0].status_code == 200
    assert_problem(call(post("outcome", second, id_at(early)))[0], 409, "outcome_conflict")


def test_of_outcomes_told_at_once_one_holds(call, record, client):
    answers = call(*(post("outcome", OUTCOME | {"outcome": name}) for name in ["default", "repaid"] * 6))
    won = {answer.json()["event_id"] for answer in answers if answer.status_code == 200}
    assert len(won) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 6 + [409] * 6
    assert client.xlen(event_stream_key(PROJECT)) == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"outcome", "date"}),
        (OUTCOME | {"outcome": "late"}, {"outcome"}),
        (OUTCOME | {"outcome": 1}, {"outcome"}),
        (OUTCOME | {"date": "yesterday"}, {"date"}),
        (OUTCOME | {"date": 20260101}, {"date"}),
        (OUTCOME | {"date": "2026-02-30"}, {"date"}),
        (OUTCOME | {"date": "2001-01-01"}, {"date"}),
        (OUTCOME | {"date": "9999-12-31"}, {"date"}),
        (OUTCOME | {"amount": 5}, {"amount"}),
        ([], {"body"}),
        (b"{", {"body"}),
    ],
)
def test_a_bad_outcome_names_its_fields(call, record, client, body, fields):
    (answer,) = call(post("outcome", body))
    problem = assert_problem(answer, 422, "invalid_request")
    assert {found["field"] for found in problem["errors"]} == fields
    assert client.xlen(event_stream_key(PROJECT)) == 0


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"decision", "author", "reason"}),
        (OVERRIDE | {"decision": "referred"}, {"decision"}),
        (OVERRIDE | {"author": "  "}, {"author"}),
        (OVERRIDE | {"author": "a\nb"}, {"author"}),
        (OVERRIDE | {"author": "a" * 201}, {"author"}),
        (OVERRIDE | {"reason": ""}, {"reason"}),
        (OVERRIDE | {"reason": "\x00"}, {"reason"}),
        (OVERRIDE | {"reason": "a" * 2_001}, {"reason"}),
        (OVERRIDE | {"threshold": 0.5}, {"threshold"}),
    ],
)
def test_a_bad_override_names_its_fields(call, record, client, body, fields):
    (answer,) = call(post("override", body))
    problem = assert_problem(answer, 422, "invalid_request")
    assert {found["field"] for found in problem["errors"]} == fields
    assert client.xlen(event_stream_key(PROJECT)) == 0


def test_overrides_are_kept_in_order_and_a_repetition_changes_nothing(call, record, archive, client, folder):
    (first,) = call(post("override", OVERRIDE))
    (again,) = call(post("override", OVERRIDE))
    archive()
    (other,) = call(post("override", OVERRIDE | {"decision": "refused", "reason": "Fraud.\nSee the file — é."}))
    (back,) = call(post("override", OVERRIDE))
    assert again.json() == OverrideAnswer.model_validate_json(first.content).model_dump(mode="json")
    details = DecisionDetails.model_validate_json(call(get())[0].content)
    assert [each.event_id for each in details.overrides] == [found.json()["event_id"] for found in (first, other, back)]
    assert details.record.decision is record.decision
    archive()
    rows = [*Archive(Location.of(folder), "events").rows()]
    assert [json.loads(row.record.text)["event_id"] for row in rows] == [
        found.json()["event_id"] for found in (first, other, back)
    ]


def test_after_a_loss_of_redis_events_come_back_from_the_archive(
    call, record, archive, client, server, folder, monkeypatch
):
    for told in (post("outcome", OUTCOME), post("override", OVERRIDE), post("override", OVERRIDE | {"reason": "x"})):
        call(told)
    (before,) = call(get())
    archive()
    client.flushall()
    assert call(get())[0].json()["outcome"] is None
    call(post("override", OVERRIDE | {"reason": "later"}))
    monkeypatch.setenv("MONITORING_REDIS_URL", server.url)
    monkeypatch.setenv("MONITORING_FEATURE_PROJECT", PROJECT)
    monkeypatch.setenv("MONITORING_DECISION_ARCHIVE", str(folder))
    for _ in range(2):
        assert run(["monitor", "restore-events", "--json"]) == 0
        (after,) = call(get())
        assert after.json()["outcome"] == before.json()["outcome"]
        assert after.json()["overrides"][:2] == before.json()["overrides"]
        assert [each["reason"] for each in after.json()["overrides"][2:]] == ["later"]
    assert_problem(call(post("outcome", OUTCOME | {"outcome": "repaid"}))[0], 409, "outcome_conflict")
    assert call(post("outcome", OUTCOME))[0].json() == before.json()["outcome"]


def test_events_that_nobody_archives_are_refused_at_the_limit(call, record, archive):
    for at in range(5):
        assert call(post("override", OVERRIDE | {"reason": f"reason {at}"}))[0].status_code == 200
    (answer,) = call(post("override", OVERRIDE | {"reason": "one more"}))
    assert_problem(answer, 503, "decision_log_full")
    archive()
    assert call(post("override", OVERRIDE | {"reason": "one more"}))[0].status_code == 200


def test_a_store_that_is_away_is_told(call, record, client, server):
    server.pause()
    try:
        (answer,) = call(get() | {"headers": {"X-Request-Timeout-Ms": "200"}})
    finally:
        server.resume()
    assert answer.status_code == 503
    assert answer.json()["code"] in ("timeout", "store_unavailable")


def test_a_damaged_archive_is_a_fault_and_not_a_missing_decision(call, record, archive, folder):
    archive()
    (file,) = folder.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    (answer,) = call(get())
    assert_problem(answer, 500, "data")


def test_the_operations_are_described_with_examples(call):
    (answer,) = call({"method": "GET", "url": "/openapi.json"})
    document = answer.json()
    operations = [
        operation
        for path, found in document["paths"].items()
        if path.startswith("/v1/decisions")
        for operation in found.values()
    ]
    assert len(operations) == 3
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert {"200", "404"} <= set(operation["responses"])
    schemas = document["components"]["schemas"]
    for model in (DecisionDetails, OutcomeAnswer, OverrideAnswer):
        model.model_validate_json(json.dumps(schemas[model.__name__]["examples"][0]))


def test_metrics_tell_how_full_the_log_is(call, log, record):
    call({"method": "GET", "url": "/readyz"})
    log.ping()
    (answer,) = call({"method": "GET", "url": "/metrics"})
    assert "credit_decision_log_limit" in answer.text
    assert "credit_decision_log_entries" in answer.text
