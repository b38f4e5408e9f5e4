"""Callers for tests: API keys in a file, and an issuer of tokens whose keys are served on loopback."""

import base64
import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from serving.callers.api_keys import ApiKey, KeyFile, digest, new_key
from serving.callers.tokens import TokenRules

ISSUER = "https://login.example.org/"
AUDIENCE = "credit-scoring"
RULES = TokenRules(ISSUER, AUDIENCE, "scope", 5.0)
_FAMILIES = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def make_key(name="desk", scopes=("score",), **more):
    """An API key and what is kept of it."""
    key, key_id = new_key()
    return key, ApiKey(id=key_id, name=name, sha256=digest(key), scopes=scopes, created=datetime.now(UTC), **more)


def write_keys(path, *entries):
    KeyFile(keys=entries).write(path)


class Issuer:
    """Signs tokens; `jwks` is what it publishes."""

    def __init__(self, kid="one", algorithm="EdDSA"):
        self.kid = kid
        self.algorithm = algorithm
        self.private = _private(algorithm)

    def jwk(self, **changes):
        public = self.private.public_key()
        entry = _FAMILIES[self.algorithm].to_jwk(public, as_dict=True)
        return entry | {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes

    def jwks(self):
        return json.dumps({"keys": [self.jwk()]}).encode()

    def token(self, headers=None, key=None, algorithm=None, **claims):
        """A token valid now; a claim given as None is left out."""
        now = int(time.time())
        whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "scope": "score", "iat": now, "exp": now + 60} | claims
        return jwt.encode(
            {name: value for name, value in whole.items() if value is not None},
            self.private if key is None else key,
            algorithm or self.algorithm,
            {"kid": self.kid} | (headers or {}),
        )


def forged(header, claims, signature=b""):
    """A token put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


class Published:
    """What the address answers, and how often it was asked."""

    def __init__(self, body):
        self.body = body
        self.status = 200
        self.asked = 0


@contextmanager
def published(body):
    """`body` at an http address on this machine: yields the address and a `Published` to change it."""
    state = Published(body)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked += 1
            self.send_response(state.status)
            if state.status == 302:
                self.send_header("Location", self.path + "x")
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json", state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _private(algorithm):
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()
