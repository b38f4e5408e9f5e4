import asyncio
import base64
import hashlib
import re
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving.api.access import Access
from serving.api.application import build_api
from serving.api.context import BodyLimits, Edge
from serving.metrics import ScoringMetrics

SITE = "https://desk.example.org"


def call(*requests, origins=()):
    async def go():
        service = SimpleNamespace(models=None, metrics=ScoringMetrics(CollectorRegistry()))
        api = build_api(Edge(service, None, Access(), BodyLimits(100, 100), cors_origins=origins))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://scoring") as client:
            return [await client.request(**request) for request in requests]

    return asyncio.run(go())


def get(url, **headers):
    return {"method": "GET", "url": url, "headers": headers}


def preflight(origin, method="POST", headers="authorization,content-type,idempotency-key"):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return {"method": "OPTIONS", "url": "/v1/score", "headers": {"Origin": origin} | asked}


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/score", "/openapi.json", "/docs"])
def test_every_answer_says_that_it_is_not_to_be_kept_framed_or_guessed(path):
    (answer,) = call(get(path))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_scripts_of_the_docs_page_may_be_kept():
    (answer,) = call(get("/docs/assets/swagger-ui-bundle.js"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "cache-control" not in answer.headers
    assert answer.headers["etag"]


def test_the_docs_page_runs_its_own_scripts_and_no_others():
    (page,) = call(get("/docs"))
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    allowed = {f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in inline}
    assert len(inline) == 1
    assert set(policy["script-src"].split()) == {"'self'"} | allowed
    assert policy["connect-src"] == "'self'"
    assert not re.search(r"https?:", page.headers["content-security-policy"])


def test_an_answer_keeps_what_it_says_itself():
    from serving.api.headers import SafeHeaders

    async def own(_request):
        return PlainTextResponse("", headers={"Cache-Control": "max-age=5", "Content-Security-Policy": "sandbox"})

    async def go():
        transport = httpx.ASGITransport(SafeHeaders(Starlette(routes=[Route("/own", own)])))
        async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
            return await client.get("/own")

    answer = asyncio.run(go())
    assert answer.headers["cache-control"] == "max-age=5"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_sites_are_shut_out_unless_named():
    ask, read = call(preflight(SITE), get("/livez", Origin=SITE))
    assert ask.status_code == 405
    assert not [name for answer in (ask, read) for name in answer.headers if name.startswith("access-control")]


def test_a_named_site_may_call_with_our_headers():
    ask, read = call(preflight(SITE), get("/livez", Origin=SITE), origins=(SITE,))
    assert ask.status_code == 200
    assert ask.headers["access-control-allow-origin"] == read.headers["access-control-allow-origin"] == SITE
    assert {"authorization", "x-api-key"} <= set(ask.headers["access-control-allow-headers"].lower().split(", "))
    assert "Retry-After" in read.headers["access-control-expose-headers"]
    assert "Origin" in read.headers["vary"]
    assert "access-control-allow-credentials" not in read.headers
    assert read.headers["cache-control"] == "no-store"
    assert read.headers["x-request-id"]


@pytest.mark.parametrize(
    "origin", ["https://desk.example.org.evil.org", "http://desk.example.org", f"{SITE}:444", "null"]
)
def test_a_site_that_is_not_named_exactly_is_shut_out(origin):
    ask, read = call(preflight(origin), get("/livez", Origin=origin), origins=(SITE,))
    assert ask.status_code == 400
    assert "access-control-allow-origin" not in ask.headers
    assert "access-control-allow-origin" not in read.headers


def test_a_named_site_reads_problems_too():
    (answer,) = call(get("/nothing", Origin=SITE), origins=(SITE,))
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == SITE
