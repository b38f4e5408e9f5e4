"""Authentication as users get it: `creditctl serve` on Ray Serve with keys and tokens, over HTTP."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from callers import AUDIENCE, ISSUER, Issuer, published
from redis_servers import free_port, redis_server
from serving_world import FIRST_CLIENT, PROJECT, World, write_clients

from credit.schemas.decision import DecisionRecord, decision_stream_key

pytestmark = [
    pytest.mark.slow,
    # MLflow maps its tables with an option that SQLAlchemy wants to remove.
]
BODY = {"client_id": FIRST_CLIENT}


class Service:
    """A running service and what an operator has at hand."""

    def __init__(self, folder, redis, jwks_url):
        self.world = World(folder / "world")
        self.world.registry.register(self.world.bundle(0))
        with redis.client() as client:
            write_clients(client, self.world.contract, 3)
        self.port = free_port()
        self.log = folder / "serve.log"
        self.environment = (
            {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SERVING_"))}
            | self.world.environment(redis.url)
            | {
                "CREDIT_HOME": str(folder / "home"),
                "SERVING_AUTHENTICATION": "keys,jwt",
                "SERVING_API_KEYS_PATH": str(folder / "api-keys.json"),
                "SERVING_JWT_KEYS": jwks_url,
                "SERVING_JWT_ISSUER": ISSUER,
                "SERVING_JWT_AUDIENCE": AUDIENCE,
            }
        )

    def creditctl(self, *arguments):
        command = [sys.executable, "-m", "credit", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout.strip()

    def start(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "credit", "serve", "--port", str(self.port)],
                stdout=log, stderr=log, env=self.environment,
            )  # fmt: skip
        deadline = time.monotonic() + 200
        while "ready: " not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def score(self, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(f"http://127.0.0.1:{self.port}/v1/score", json=BODY, headers=sent, timeout=20)

    def becomes(self, status, **headers):
        """Whether the answer becomes `status` soon."""
        deadline = time.monotonic() + 20
        while (answer := self.score(**headers)).status_code != status:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def test_keys_and_tokens_from_start_to_end(tmp_path):
    issuer = Issuer()
    with redis_server(tmp_path / "redis") as redis, published(issuer.jwks()) as (url, _):
        service = Service(tmp_path, redis, url)
        old = service.creditctl("keys", "create", "--name", "desk", "--scopes", "score")
        service.start()
        try:
            assert service.score().status_code == 401
            assert service.score(X_API_Key=old).status_code == 200
            token = issuer.token(sub="batch")
            assert service.score(Authorization=f"Bearer {token}").status_code == 200
            ready = httpx.get(f"http://127.0.0.1:{service.port}/readyz", timeout=20).json()
            assert ready["authentication"] == "keys,jwt"

            for own in ("/-/healthz", "/-/routes"):  # the proxy's, as docs/explanation/security-model.md says
                answer = httpx.get(f"http://127.0.0.1:{service.port}{own}", timeout=20)
                assert (answer.status_code, len(answer.text) < 100) == (200, True)

            new = service.creditctl("keys", "create", "--name", "desk", "--scopes", "score", "--rate", "0.001")
            service.becomes(200, X_API_Key=new)
            assert service.score(X_API_Key=old).status_code == 200  # both are valid until the old one is revoked
            service.creditctl("keys", "revoke", "desk", "--key", old.split("_")[1])
            service.becomes(401, X_API_Key=old)
            limited = service.score(X_API_Key=new)
            assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")

            with redis.client() as client:
                entries = client.xrange(decision_stream_key(PROJECT))
            records = [DecisionRecord.model_validate_json(fields[b"record"]) for _, fields in entries]
            assert {record.caller for record in records} == {"desk", "jwt:batch"}
        finally:
            assert service.stop() == 0
        logs = [service.log, *(tmp_path / "home" / "run" / "serving").rglob("*")]
        told = "".join(path.read_text(errors="replace") for path in logs if path.is_file())
        assert "turned away (unknown_key)" in told
        assert not [secret for secret in (old, new, token, token.split(".")[2]) if secret in told]
        assert old.split("_", 2)[2] not in json.dumps([str(fields) for _, fields in entries])
