"""Load on the scoring service: scores by id of known, unknown and overridden clients, batches, explanations.

`make load` runs it headless. By hand, with Locust's page on http://localhost:8089:

    .venv/bin/python -m locust -f loadtests/locustfile.py --host http://127.0.0.1:8000

Any answer but the expected one counts as a failure: a decision about the client asked for, 404 `unknown_client` for a
client without features. The run ends with exit code 1 when the objective is missed. The key comes from CREDIT_API_KEY.
"""

import csv
import logging
import os
import random
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from locust import FastHttpUser, constant, events
from locust.argument_parser import LocustArgumentParser
from locust.contrib.fasthttp import ResponseContextManager
from locust.env import Environment
from locust.stats import PERCENTILES_TO_REPORT, StatsCSV

from credit.client.address import default_url
from credit.platform import Home
from loadtests.slo import Objective, Reached

log = logging.getLogger(__name__)
#: No client has an id this high.
UNKNOWN_FROM: Final = 2**62
SCORES: Final = ("known", "unknown", "overridden")
#: Kind of request -> its weight unless told otherwise.
WEIGHTS: Final = {"known": 16, "unknown": 1, "overridden": 2, "batch": 1, "explain": 1}
_OPTIONS: Final[tuple[tuple[str, type, Any, str], ...]] = (
    ("first-client", int, 100_001, "smallest known client id"),
    ("clients", int, 10_000, "number of known clients, ids without gaps"),
    ("batch-size", int, 100, "clients in one batch"),
    ("slo-p50", float, 25.0, "milliseconds that half of the scores by id may take"),
    ("slo-p99", float, 150.0, "milliseconds that 99 of 100 scores by id may take"),
    ("slo-errors", float, 0.001, "share of all requests that may be answered otherwise than expected"),
    ("stats-file", Path, None, "CSV file for the figures by kind of request"),
)


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Options of this load, beside Locust's own."""
    for name, kind, default, text in _OPTIONS:
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} (default: {default})")
    for name, weight in WEIGHTS.items():
        parser.add_argument(
            f"--{name}",
            type=int,
            default=weight,
            metavar="WEIGHT",
            help=f"weight of these requests (default: {weight})",
        )


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Weigh the kinds of requests, and find the service if nobody said where it is."""
    weights = vars(_options(environment))
    Applicant.tasks = [getattr(Applicant, name) for name in WEIGHTS for _ in range(weights[name])]
    environment.host = environment.host or default_url(Home.current())


@events.quitting.add_listener
def judge_run(environment: Environment, **_: Any) -> None:
    """Write the figures and set the exit code."""
    options = _options(environment)
    if options.stats_file is not None:
        _write_stats(environment, options.stats_file)
    reached = _reached(environment)
    missed = reached.missed(Objective(options.slo_p50, options.slo_p99, options.slo_errors))
    figures = f"p50 {reached.p50:g} ms, p99 {reached.p99:g} ms, errors {reached.errors:.3%}"
    log.info("%d scores by id: %s", reached.scores, figures)
    if missed:
        log.error("objective missed: %s", "; ".join(missed))
    environment.process_exit_code = 1 if missed else 0


class Applicant(FastHttpUser):
    """Sends one request after the other, without pause."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Find out who is asked about, and with which key."""
        key = os.environ.get("CREDIT_API_KEY")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._options = _options(self.environment)

    def known(self) -> None:
        """A client with features."""
        self._score("known", {"client_id": self._some_client()})

    def unknown(self) -> None:
        """A client without features: never a score."""
        client_id = random.randrange(UNKNOWN_FROM, 2 * UNKNOWN_FROM)  # noqa: S311 - load, no secret
        with self._post("/v1/score", _label("unknown"), {"client_id": client_id}) as answer:
            if _status_and_code(answer) == (HTTPStatus.NOT_FOUND, "unknown_client"):
                answer.success()
            else:
                _fail(answer)

    def overridden(self) -> None:
        """A client with features who asks for another amount."""
        amount = random.randrange(50_000, 1_500_000)  # noqa: S311 - load, no secret
        self._score("overridden", {"client_id": self._some_client(), "application": {"amt_credit": amount}})

    def batch(self) -> None:
        """Many clients with features in one request."""
        clients = [self._some_client() for _ in range(self._options.batch_size)]
        body = {"items": [{"client_id": client} for client in clients]}
        with self._post("/v1/score/batch", "/v1/score/batch", body) as answer:
            items = _json(answer).get("items", ())
            if [item["client_id"] for item in items if item["result"]] != clients:
                _fail(answer)

    def explain(self) -> None:
        """All contributions to the score of a client with features."""
        with self._post("/v1/explain", "/v1/explain", {"client_id": self._some_client()}) as answer:
            if answer.status_code != HTTPStatus.OK:
                _fail(answer)

    def _score(self, kind: str, body: Mapping[str, Any]) -> None:
        with self._post("/v1/score", _label(kind), body) as answer:
            if answer.status_code != HTTPStatus.OK or _json(answer).get("client_id") != body["client_id"]:
                _fail(answer)

    def _post(self, path: str, name: str, body: Mapping[str, Any]) -> ResponseContextManager:
        answer: ResponseContextManager = self.client.post(
            path, json=body, name=name, headers=self._headers, catch_response=True
        )
        return answer

    def _some_client(self) -> int:
        first = self._options.first_client
        return random.randrange(first, first + self._options.clients)  # noqa: S311 - load, no secret


def _label(kind: str) -> str:
    return f"/v1/score {kind}"


def _options(environment: Environment) -> Namespace:
    options = environment.parsed_options
    assert options is not None
    return options


def _json(answer: ResponseContextManager) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def _status_and_code(answer: ResponseContextManager) -> tuple[int, str | None]:
    return answer.status_code, _json(answer).get("code")


def _fail(answer: ResponseContextManager) -> None:
    status, code = _status_and_code(answer)
    answer.failure(f"status {status}, code {code}")


def _reached(environment: Environment) -> Reached:
    names = [_label(kind) for kind in SCORES]
    times: Counter[float] = Counter()
    for entry in environment.stats.entries.values():
        if entry.name in names:
            times.update(entry.response_times)
    return Reached.of(times, environment.stats.total.fail_ratio)


def _write_stats(environment: Environment, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        StatsCSV(environment, PERCENTILES_TO_REPORT).requests_csv(csv.writer(file))
