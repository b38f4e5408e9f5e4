"""Who may do what, in process over HTTP: the replica's own application, with nothing behind it."""

import asyncio
import logging
import time

import httpx
import pytest
from callers import AUDIENCE, ISSUER, Issuer, make_key, published, write_keys
from prometheus_client import CollectorRegistry
from serving_world import World

from credit.bundle.keys import make_key_pair
from credit.errors import SettingsError
from serving.api.access import ALL_SCOPES, Access
from serving.api.context import BodyLimits, Edge
from serving.api.guards import OPEN_PATHS, check_guarded, guarded_paths
from serving.replica import Replica
from serving.settings import ServingSettings

ISSUED_BY = Issuer()
KEYS = {scope: make_key(f"only-{scope}", (scope,)) for scope in sorted(ALL_SCOPES)}
SCORE = {"url": "/v1/score", "method": "POST", "json": {"client_id": 5}}


class Edges:
    """Makes replicas with settings of their own and sends requests to them."""

    def __init__(self, folder):
        world = World(folder / "world")
        make_key_pair(world.public_key.parent)
        self.environment = world.environment("redis://127.0.0.1:1/0")  # nobody there: no test gets that far
        self.keys = folder / "api-keys.json"
        write_keys(self.keys, *(entry for _, entry in KEYS.values()))
        self.jwks = folder / "jwks.json"
        self.jwks.write_bytes(ISSUED_BY.jwks())

    def replica(self, mode, **more):
        given = {name.removeprefix("SERVING_").lower(): value for name, value in self.environment.items()}
        keys = {"api_keys_path": self.keys} if "keys" in mode else {}
        tokens = {"jwt_keys": str(self.jwks), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE} if "jwt" in mode else {}
        return Replica(ServingSettings(**(given | keys | tokens | {"authentication": mode} | more)))

    def call(self, replica, *requests):
        async def go():
            transport = httpx.ASGITransport(replica.api())
            async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
                return [await client.request(**request) for request in requests]

        try:
            return asyncio.run(go())
        finally:
            replica._authenticator and replica._authenticator.close()
            replica._workers.close()

    def api(self, replica):
        """The FastAPI application itself."""
        found = replica.api()
        while not hasattr(found, "routes"):
            found = getattr(found, "_app", None) or found.app
        return found


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    return Edges(tmp_path_factory.mktemp("edges"))


def bearer(text):
    return {"headers": {"Authorization": f"Bearer {text}"}}


def assert_problem(answer, status, code):
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    return problem


def test_without_a_credential_nothing_guarded_answers(edges):
    (answer,) = edges.call(edges.replica("keys"), SCORE)
    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="credit-scoring"'


@pytest.mark.parametrize("shown", [bearer(KEYS["score"][0]), {"headers": {"X-API-Key": KEYS["score"][0]}}])
def test_a_key_lets_in(edges, shown):
    (answer,) = edges.call(edges.replica("keys"), SCORE | shown)
    assert_problem(answer, 503, "model_not_ready")  # so it came through to the service


def test_a_wrong_key_does_not(edges):
    wrong, _ = make_key()
    (answer,) = edges.call(edges.replica("keys,jwt"), SCORE | bearer(wrong))
    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="credit-scoring", error="invalid_token"'


def test_two_credentials_are_refused_even_if_both_are_good(edges):
    headers = {"Authorization": f"Bearer {KEYS['score'][0]}", "X-API-Key": KEYS["score"][0]}
    (answer,) = edges.call(edges.replica("keys"), SCORE | {"headers": headers})
    assert_problem(answer, 401, "not_authenticated")


def test_a_token_lets_in_where_tokens_are_accepted(edges):
    shown = SCORE | bearer(ISSUED_BY.token())
    assert_problem(*edges.call(edges.replica("jwt"), shown), 503, "model_not_ready")
    assert_problem(*edges.call(edges.replica("keys,jwt"), shown), 503, "model_not_ready")
    assert_problem(*edges.call(edges.replica("keys"), shown), 401, "not_authenticated")
    key = SCORE | bearer(KEYS["score"][0])
    assert_problem(*edges.call(edges.replica("jwt"), key), 401, "not_authenticated")


def test_an_expired_token_is_told_so(edges):
    (answer,) = edges.call(edges.replica("jwt"), SCORE | bearer(ISSUED_BY.token(exp=time.time() - 60)))
    assert assert_problem(answer, 401, "not_authenticated")["detail"] == "the token has expired"


def test_a_token_cannot_be_checked_while_the_issuer_never_answered(edges):
    with published(ISSUED_BY.jwks()) as (url, _):
        pass
    (answer,) = edges.call(edges.replica("jwt", jwt_keys=url), SCORE | bearer(ISSUED_BY.token()))
    assert_problem(answer, 503, "signing_keys_unavailable")
    assert answer.headers["retry-after"] == "1"


def test_the_issuers_address_is_asked_for_keys(edges):
    with published(ISSUED_BY.jwks()) as (url, state):
        answers = edges.call(edges.replica("jwt", jwt_keys=url), *[SCORE | bearer(ISSUED_BY.token())] * 3)
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["code"] for answer in answers} == {"model_not_ready"}
        assert state.asked == 1


def test_every_operation_names_a_scope_or_is_open_on_purpose(edges):
    replica = edges.replica("keys", metrics_access="admin")
    routes = dict(guarded_paths(edges.api(replica).routes))
    assert routes["/v1/score"] == {"score"}
    assert routes["/metrics"] == {"admin"}
    assert {path for path, scopes in routes.items() if not scopes} == OPEN_PATHS - {"/metrics"}


def test_an_operation_without_a_scope_keeps_the_application_from_being_built(edges):
    api = edges.api(edges.replica("keys"))

    @api.get("/v1/hole")
    async def hole():
        return {}

    with pytest.raises(AssertionError, match="/v1/hole"):
        check_guarded(api.routes)


def test_the_scope_matrix_over_every_operation(edges):
    """Each guarded operation lets in exactly the callers with all its scopes, whichever way it is called."""
    replica = edges.replica("keys", metrics_access="admin")
    api = edges.api(replica)
    needed = {path: scopes for path, scopes in guarded_paths(api.routes) if scopes}
    operations = [
        (method.upper(), path)
        for path, methods in api.openapi()["paths"].items()
        for method in methods
        if path in needed
    ]
    assert {path for _, path in operations} == set(needed)
    requests, expected = [], []
    for method, path in operations:
        for scope, (key, _) in KEYS.items():
            if path == "/v1/models/refresh" and scope == "admin":
                continue  # would wait for a watcher, which nobody started
            requests.append({"method": method, "url": path.replace("{", "").replace("}", "")} | bearer(key))
            expected.append((method, path, scope, needed[path] <= {scope}))
    answers = edges.call(replica, *requests)
    found = [(*case[:3], answer.status_code not in (401, 403)) for case, answer in zip(expected, answers, strict=True)]
    assert found == expected
    refused = [answer for answer in answers if answer.status_code == 403]
    assert all('error="insufficient_scope"' in answer.headers["www-authenticate"] for answer in refused)
    assert len(refused) == sum(not allowed for *_, allowed in expected)


@pytest.mark.parametrize("path", sorted(OPEN_PATHS - {"/docs/assets"}))
def test_open_paths_need_no_credential(edges, path):
    (answer,) = edges.call(edges.replica("keys,jwt"), {"method": "GET", "url": path})
    assert answer.status_code not in (401, 403)


def test_metrics_may_be_kept_for_admins(edges):
    get = {"method": "GET", "url": "/metrics"}
    requests = [get, get | bearer(KEYS["score"][0]), get | bearer(KEYS["admin"][0])]
    answers = edges.call(edges.replica("keys", metrics_access="admin"), *requests)
    assert [answer.status_code for answer in answers] == [401, 403, 200]


@pytest.mark.parametrize("mode", ["keys", "jwt", "keys,jwt", "off"])
def test_the_document_tells_how_to_authenticate(edges, mode):
    document = edges.call(edges.replica(mode), {"method": "GET", "url": "/openapi.json"})[0].json()
    schemes = document["components"].get("securitySchemes", {})
    operation = document["paths"]["/v1/score"]["post"]
    forms = {"keys": "API key", "jwt": "JWT", "keys,jwt": "API key or JWT"}
    assert "security" not in document["paths"]["/livez"]["get"]
    if mode == "off":
        assert "security" not in operation
        assert not schemes
        return
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer", "bearerFormat": forms[mode]}
    if mode == "jwt":
        assert operation["security"] == [{"bearer": ["score"]}]
        assert "apiKey" not in schemes
    else:
        assert operation["security"] == [{"bearer": ["score"]}, {"apiKey": ["score"]}]
        assert schemes["apiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}


def test_the_document_is_the_same_at_each_reading(edges):
    first, second = edges.call(edges.replica("keys"), *[{"method": "GET", "url": "/openapi.json"}] * 2)
    assert first.json() == second.json()


def test_readiness_and_the_log_tell_the_mode(edges, caplog):
    replica = edges.replica("off")
    replica.start()
    try:
        assert "authentication is off" in caplog.text
        assert replica._access.mode == "off"
    finally:
        replica.close()
    assert edges.replica("keys,jwt")._access.mode == "keys,jwt"


def test_a_caller_over_its_limit_gets_429_with_retry_after(edges):
    replica = edges.replica("keys", rate_limit=0.1, rate_burst=2)
    answers = edges.call(replica, *[SCORE | bearer(KEYS["score"][0])] * 3, SCORE | bearer(KEYS["explain"][0]))
    assert [answer.status_code for answer in answers] == [503, 503, 429, 403]
    assert_problem(answers[2], 429, "rate_limited")
    assert 1 <= int(answers[2].headers["retry-after"]) <= 10


def test_a_batch_costs_its_clients(edges):
    batch = {"method": "POST", "url": "/v1/score/batch", "json": {"items": [{"client_id": 1}] * 50}}
    shown = bearer(KEYS["score"][0])
    replica = edges.replica("keys", rate_limit=1, rate_burst=10)
    first, second = edges.call(replica, batch | shown, SCORE | shown)
    assert first.status_code == 200
    assert len(first.json()["items"]) == 50
    assert_problem(second, 429, "rate_limited")
    assert 39 <= int(second.headers["retry-after"]) <= 41  # 10 - 50 clients: in debt by 40, and one more


def test_a_keys_own_rate_wins(edges, tmp_path):
    key, entry = make_key("slow", rate=0.1, burst=1)
    write_keys(tmp_path / "keys.json", entry)
    replica = edges.replica("keys", api_keys_path=tmp_path / "keys.json", rate_limit=1_000)
    answers = edges.call(replica, *[SCORE | bearer(key)] * 2)
    assert [answer.status_code for answer in answers] == [503, 429]


def test_keys_change_without_a_restart(edges, tmp_path):
    path = tmp_path / "keys.json"
    (old, old_entry), (new, new_entry) = make_key(), make_key()
    write_keys(path, old_entry)
    replica = edges.replica("keys", api_keys_path=path)
    followed = replica._authenticator._api_keys

    async def statuses(client):
        return [(await client.request(**(SCORE | bearer(key)))).status_code for key in (old, new)]

    async def go():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(replica.api()), base_url="http://scoring") as client:
            found = [await statuses(client)]
            for change in (lambda: write_keys(path, old_entry, new_entry), lambda: path.write_text("{"),
                           lambda: write_keys(path, new_entry), lambda: write_keys(path)):  # fmt: skip
                change()
                followed.refresh()
                found.append(await statuses(client))
            return found

    assert asyncio.run(go()) == [[503, 401], [503, 503], [503, 503], [401, 503], [401, 401]]


@pytest.mark.parametrize("content", [None, "{}x", '{"keys": [{}]}'])
def test_without_a_usable_key_file_it_does_not_start(edges, tmp_path, content):
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match="creditctl keys create"):
        edges.replica("keys", api_keys_path=path)


def test_without_a_usable_file_of_signing_keys_it_does_not_start(edges, tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        edges.replica("jwt", jwt_keys=str(tmp_path / "none.json"))


def test_no_credential_shows_in_logs_answers_metrics_or_settings(edges, caplog):
    caplog.set_level(logging.DEBUG)
    unknown, _ = make_key()
    tokens = [ISSUED_BY.token(), ISSUED_BY.token(exp=1), ISSUED_BY.token(scope="none"), Issuer().token()]
    shown = [KEYS["score"][0], KEYS["explain"][0], unknown, *tokens, unknown + "x", "Basic"]
    replica = edges.replica("keys,jwt")
    requests = [SCORE | bearer(each) for each in shown] + [SCORE | {"headers": {"X-API-Key": each}} for each in shown]
    answers = edges.call(replica, *requests, {"method": "GET", "url": "/metrics"})
    told = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    told += repr(replica._settings) + repr(vars(replica._access)) + repr(replica._authenticator)
    secrets = [part for each in shown[:-1] for part in (each, each[-40:], each[20:60])]
    assert not [secret for secret in secrets if secret in told]
    assert "turned away (unknown_key)" in caplog.text


def test_turned_away_callers_are_counted_by_reason_and_logged_with_their_request(edges, caplog):
    unknown, _ = make_key()
    replica = edges.replica("keys,jwt")
    requests = [
        SCORE,
        SCORE | bearer(unknown),
        SCORE | bearer(ISSUED_BY.token(aud="another")),
        SCORE | bearer(KEYS["explain"][0]),
        SCORE | {"headers": {"Authorization": f"Bearer {unknown}", "X-Request-ID": "mine-9"}},
    ]
    *_, metrics = edges.call(replica, *requests, {"method": "GET", "url": "/metrics"})
    counted = {
        line.split('"')[1]: float(line.rpartition(" ")[2])
        for line in metrics.text.splitlines()
        if line.startswith("credit_auth_failures_total{")
    }
    assert counted == {"missing": 1, "unknown_key": 2, "wrong_audience": 1, "lacks_scope": 1}
    assert "request mine-9 turned away (unknown_key)" in caplog.text


def test_one_request_is_counted_once_however_many_scopes_are_asked_for(edges):
    """A router and its operation may both name scopes: FastAPI then asks twice."""
    from fastapi import APIRouter

    from serving.callers.identity import Rate
    from serving.callers.rate_limit import RateLimits

    access = Access(None, RateLimits(Rate(1, 2)))
    edge = Edge(None, None, access, BodyLimits(1, 1))
    router = APIRouter(dependencies=edge.needs("score"))

    @router.get("/twice", dependencies=edge.needs("explain"))
    async def twice():
        return {}

    api = _with_errors(router)

    async def go():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://scoring") as client:
            return [(await client.get("/twice")).status_code for _ in range(3)]

    assert asyncio.run(go()) == [200, 200, 429]


def _with_errors(router):
    from fastapi import FastAPI

    from credit.errors import CreditError
    from serving.api.application import _on_credit_error
    from serving.api.edge import RequestEdge
    from serving.metrics import ScoringMetrics

    api = FastAPI()
    api.include_router(router)
    api.add_exception_handler(CreditError, _on_credit_error)
    return RequestEdge(api, ScoringMetrics(CollectorRegistry()), True)
