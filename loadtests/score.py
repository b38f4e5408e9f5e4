"""Load on `POST /v1/score`: known clients mostly, some unknown ones. Any other answer counts as a failure.

Run: locust -f loadtests/score.py --host http://127.0.0.1:8000 --headless -u 8 -t 30s --clients 10000
"""

import random
from argparse import Namespace
from http import HTTPStatus

from locust import FastHttpUser, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.contrib.fasthttp import ResponseContextManager

#: No client has an id this high.
UNKNOWN_FROM = 2**62


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Say which clients the service knows."""
    parser.add_argument("--first-client", type=int, default=100_001, help="smallest known client id")
    parser.add_argument("--clients", type=int, default=10_000, help="number of known clients, ids without gaps")


class Applicant(FastHttpUser):
    """Asks for one score after the other, without pause."""

    wait_time = constant(0)

    @task(19)
    def known_client(self) -> None:
        """A client with features: a score, or 404 where ids have gaps."""
        first = self._options.first_client
        client_id = random.randrange(first, first + self._options.clients)  # noqa: S311 - load, no secret
        self._score(client_id, "known")

    @task(1)
    def unknown_client(self) -> None:
        """A client without features: 404, never a score."""
        client_id = random.randrange(UNKNOWN_FROM, 2 * UNKNOWN_FROM)  # noqa: S311 - load, no secret
        self._score(client_id, "unknown")

    @property
    def _options(self) -> Namespace:
        options = self.environment.parsed_options
        assert options is not None
        return options

    def _score(self, client_id: int, kind: str) -> None:
        with self.client.post(
            "/v1/score", json={"client_id": client_id}, name=f"/v1/score {kind}", catch_response=True
        ) as answer:
            _judge(answer, client_id, kind)


def _judge(answer: ResponseContextManager, client_id: int, kind: str) -> None:
    body = answer.json() or {}
    if answer.status_code == HTTPStatus.NOT_FOUND and body.get("code") == "unknown_client":
        answer.success()
    elif answer.status_code != HTTPStatus.OK or kind == "unknown" or body.get("client_id") != client_id:
        answer.failure(f"status {answer.status_code}, code {body.get('code')}")
