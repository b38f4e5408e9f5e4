"""The client against the real service: in process, and behind a real HTTP server that fails on purpose."""

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from flaky_server import SLOW_SECONDS, FlakyServer
from serving_replica import CLIENTS, MLFLOW_WARNING
from serving_world import FIRST_CLIENT

from credit.client import (
    AsyncCreditClient,
    ConflictError,
    CreditClient,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    ProblemError,
    RateLimitedError,
    Retries,
    ScoreItem,
    Timeouts,
    UnavailableError,
    UnexpectedAnswerError,
    calls,
)

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
QUICK = {
    "timeouts": Timeouts(connect=10.0, read=20.0, batch=20.0, total=60.0),
    "retries": Retries(first_pause=0.01, longest_pause=0.05),
}
#: As many attempts as there are faults in any test: which request meets how many is left to chance.
PATIENT = QUICK | {"retries": Retries(attempts=30, first_pause=0.01, longest_pause=0.05)}
UNKNOWN = 2**62


@pytest.fixture(scope="module")
def service(replica):
    return replica


@pytest.fixture(scope="module")
def server(service):
    with FlakyServer(service.replica.api()).running() as running:
        yield running


@pytest.fixture
def client(server):
    server.faults.clear()
    server.seen.clear()
    with CreditClient(server.url, **QUICK) as client:
        yield client


@pytest.fixture
def made(service):
    """How many decisions were recorded since the test began."""
    before = service.count()
    return lambda: service.count() - before


def on_async(service, use):
    """Run `use(client)` with an asynchronous client on the application itself."""

    async def go():
        transport = httpx.ASGITransport(service.replica.api())
        async with AsyncCreditClient("http://scoring", transport=transport, **QUICK) as client:
            return await use(client)

    return asyncio.run(go())


def test_a_score_is_typed_and_recorded(client, service, made):
    score = client.score(FIRST_CLIENT, application={"amt_credit": 500_000.0}, lang="fr")
    record = service.decisions()[-1]
    assert (score.decision_id, score.probability, score.decision) == (
        record.decision_id, record.probability, record.decision.value,
    )  # fmt: skip
    assert (record.overrides.amt_credit, record.language) == (500_000.0, "fr")
    assert score.model.name == "credit-scoring"
    assert score.features["application"].built_at == record.views["application"].built_at
    assert made() == 1


def test_both_clients_answer_alike_and_have_the_same_surface(client, service):
    key = "both-1"
    mine = client.score(FIRST_CLIENT + 1, idempotency_key=key)
    assert on_async(service, lambda other: other.score(FIRST_CLIENT + 1, idempotency_key=key)) == mine
    ours, theirs = (
        {name: inspect.signature(member) for name, member in vars(kind).items() if not name.startswith("_")}
        for kind in (CreditClient, AsyncCreditClient)
    )
    assert ours == theirs


def test_an_unknown_client_is_a_typed_error(client, made):
    with pytest.raises(NotFoundError, match=r"is unknown.*request ") as caught:
        client.score(UNKNOWN)
    assert (caught.value.code, caught.value.status) == ("unknown_client", 404)
    assert caught.value.request_id
    assert made() == 0


def test_an_invalid_request_names_its_fields(client, server):
    with pytest.raises(InvalidRequestError) as caught:
        client.score(FIRST_CLIENT, application={"amt_credit": -1.0})
    assert [found.field for found in caught.value.fields] == ["application.amt_credit"]
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "faults",
    [
        ["drop before"],
        ["drop after"],
        ["503"],
        ["503 after"],
        ["429"],
        ["drop after", "503 after", "drop before"],
    ],
)
def test_a_fault_is_got_over_and_decides_once(client, server, made, faults):
    server.faults.extend(faults)
    score = client.score(FIRST_CLIENT + 2)
    assert score.client_id == FIRST_CLIENT + 2
    assert len(server.seen) == len(faults) + 1
    assert len({sent["idempotency-key"] for sent in server.seen}) == 1
    assert made() == 1


def test_an_answer_that_comes_too_late_is_asked_for_again_and_decides_once(server, made):
    server.seen.clear()
    server.faults.append("slow")
    quick = Timeouts(read=SLOW_SECONDS / 2, total=60.0)
    with CreditClient(server.url, timeouts=quick, retries=PATIENT["retries"]) as client:
        assert client.score(FIRST_CLIENT + 2).client_id == FIRST_CLIENT + 2
    assert len(server.seen) > 1
    assert made() == 1


@pytest.mark.parametrize(
    ("fault", "error"), [("drop after", NoAnswerError), ("503 after", UnavailableError), ("429", RateLimitedError)]
)
def test_without_a_key_nothing_is_repeated(client, server, fault, error):
    server.faults.append(fault)
    with pytest.raises(error):
        client.score(FIRST_CLIENT, idempotency_key=False)
    (sent,) = server.seen
    assert "idempotency-key" not in sent


def test_attempts_are_bounded(client, server, made):
    server.faults.extend(["503"] * 9)
    with pytest.raises(UnavailableError) as caught:
        client.score(FIRST_CLIENT)
    assert (caught.value.code, caught.value.request_id, len(server.seen)) == ("http_503", None, 4)
    assert made() == 0


def test_a_wait_beyond_the_total_is_not_begun(client, server):
    server.faults.append("503 later")
    with pytest.raises(UnavailableError) as caught:
        client.score(FIRST_CLIENT)
    assert (caught.value.retry_after, len(server.seen)) == (3600.0, 1)


def test_another_server_at_the_address_is_told(client, server):
    server.faults.append("garbage")
    with pytest.raises(UnexpectedAnswerError, match="/v1/score"):
        client.score(FIRST_CLIENT)


def test_nobody_at_the_address_is_told():
    with CreditClient("http://127.0.0.1:1", **QUICK) as client, pytest.raises(NoAnswerError) as caught:
        client.score(1, idempotency_key=False)
    assert caught.value.never_sent


def test_the_same_key_with_another_request_is_a_conflict(client):
    first = client.score(FIRST_CLIENT, idempotency_key="mine")
    assert client.score(FIRST_CLIENT, idempotency_key="mine") == first
    with pytest.raises(ConflictError):
        client.score(FIRST_CLIENT + 1, idempotency_key="mine")


def test_headers_of_client_and_call_are_sent(server):
    server.seen.clear()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with CreditClient(server.url, api_key="k-1", headers={"X-Team": "risk"}, **QUICK) as client:
        client.score(FIRST_CLIENT, headers={"traceparent": trace})
    (sent,) = server.seen
    assert (sent["traceparent"], sent["x-team"], sent["authorization"]) == (trace, "risk", "Bearer k-1")
    assert 0 < int(sent["x-request-timeout-ms"]) <= 20_000


def test_a_token_is_asked_for_at_each_attempt(server):
    server.seen.clear()
    server.faults.append("503")
    tokens = iter(["t-1", "t-2"])
    with CreditClient(server.url, token=lambda: next(tokens), **QUICK) as client:
        client.score(FIRST_CLIENT)
    assert [sent["authorization"] for sent in server.seen] == ["Bearer t-1", "Bearer t-2"]


def test_a_batch_gives_each_its_result_or_problem_and_equals_single_scores(client):
    items = [FIRST_CLIENT, ScoreItem(UNKNOWN), ScoreItem(FIRST_CLIENT + 1, {"amt_credit": 9_000.0}, reasons=False)]
    known, unknown, overridden = client.score_batch(items)
    assert known.result is not None
    assert known.result.probability == client.score(FIRST_CLIENT).probability
    assert unknown.problem is not None
    assert unknown.problem.code == "unknown_client"
    assert overridden.result is not None
    assert overridden.result.reasons == ()


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(calls, "LARGEST_PART", 30)


def test_more_than_a_thousand_take_two_requests(client, server):
    answered = client.score_batch(range(UNKNOWN, UNKNOWN + 1_001))
    assert [item.client_id for item in answered] == [*range(UNKNOWN, UNKNOWN + 1_001)]
    assert len(server.seen) == 2


def test_a_large_batch_keeps_its_order_and_decides_once_under_faults(client, server, made, small_parts):
    server.faults.extend(["503", "none", "drop after"])
    wanted = [FIRST_CLIENT + at % CLIENTS for at in range(65)]
    answered = client.score_batch(wanted)
    assert [item.client_id for item in answered] == wanted
    assert all(item.result for item in answered)
    assert (len(server.seen), made()) == (5, 65)
    assert len({sent["idempotency-key"] for sent in server.seen}) == 3


def test_a_later_part_that_fails_loses_nothing_decided_before(client, server, made, small_parts):
    server.faults.extend(["none", *["503"] * 4])
    answered = client.score_batch([FIRST_CLIENT] * 65, idempotency_key="night")
    assert [item.problem is None for item in answered] == [True] * 30 + [False] * 35
    assert answered[-1].problem.code == "http_503"
    assert [sent["idempotency-key"] for sent in server.seen] == ["night"] + ["night/1"] * 4
    again = client.score_batch([FIRST_CLIENT] * 65, idempotency_key="night")
    assert [item.result for item in again[:30]] == [item.result for item in answered[:30]]
    assert made() == 65


def test_a_first_part_that_fails_is_raised(client, server):
    server.faults.extend(["503"] * 4)
    with pytest.raises(UnavailableError):
        client.score_batch([FIRST_CLIENT])


def test_an_empty_batch_asks_nobody(client, server):
    assert client.score_batch([]) == []
    assert not server.seen


def test_many_threads_share_a_client_and_many_faults_decide_once_each(server, made):
    server.faults.extend(["drop after", "none", "503 after", "none", "drop before", "none"] * 3)
    wanted = [FIRST_CLIENT + at % CLIENTS for at in range(40)]
    with CreditClient(server.url, **PATIENT) as client, ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(client.score, wanted))
    assert [score.client_id for score in scores] == wanted
    assert len({score.decision_id for score in scores}) == len(wanted) == made()


def test_the_asynchronous_client_gets_over_faults_too(server, made):
    async def go():
        async with AsyncCreditClient(server.url, **PATIENT) as client:
            return await asyncio.gather(*(client.score(FIRST_CLIENT + at) for at in range(10)))

    server.faults.extend(["drop after", "503 after"] * 2)
    assert [score.client_id for score in asyncio.run(go())] == [FIRST_CLIENT + at for at in range(10)]
    assert made() == 10


def test_state_and_version(client, service):
    assert client.ready()["status"] == "ready"
    assert client.version()["name"] == "credit-scoring"
    assert on_async(service, lambda other: other.ready()) == client.ready()


def test_readiness_is_asked_once(client, server):
    server.faults.append("503")
    with pytest.raises(UnavailableError):
        client.ready()
    assert len(server.seen) == 1


def test_a_look_is_repeated(client, server):
    server.faults.extend(["drop before", "503"])
    assert client.version()["name"] == "credit-scoring"
    assert len(server.seen) == 3


def test_a_record_told_is_not_repeated(client, server):
    server.faults.append("503 after")
    with pytest.raises(UnavailableError):
        client.record_outcome("d-1", {})
    with pytest.raises(ProblemError):
        client.decision("../../readyz")
    assert len(server.seen) == 2
