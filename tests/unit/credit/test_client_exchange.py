import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.client import Retries, ScoreItem, Timeouts, UnavailableError, UnexpectedAnswerError, calls
from credit.client.exchange import Access, Exchange, Wait
from credit.client.retry_after import seconds_to_wait
from credit.errors import CreditError


class Time:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def steps(call, outcomes, *, timeouts=None, retries=None, clock=None, seconds=0.0, chance=0.5):
    """Carry a call out: each request takes `seconds` and has the next outcome. Returns requests, pauses and result."""
    clock = clock or Time()
    exchange = Exchange(
        "http://scoring/", Access(), {}, timeouts or Timeouts(), retries or Retries(), clock, lambda: chance
    )
    flow = exchange.call(call)
    requests, pauses = [], []
    outcome = None
    while True:
        try:
            step = flow.send(outcome)
        except StopIteration as end:
            return requests, pauses, end.value
        except CreditError as error:
            return requests, pauses, error
        if isinstance(step, Wait):
            pauses.append(step.seconds)
            clock.now += step.seconds
            outcome = None
        else:
            requests.append(step)
            clock.now += seconds
            outcome = outcomes.pop(0)
            if isinstance(outcome, httpx.Response):
                outcome.request = step
            elif isinstance(outcome, type):
                outcome = outcome("broken", request=step)


def look():
    return calls.look("/version", None)


def busy(**headers):
    return httpx.Response(503, headers=headers)


GOOD = {"name": "x"}


def test_pauses_grow_up_to_the_longest_and_jitter_is_full():
    retries = Retries(attempts=6, first_pause=0.1, longest_pause=0.5)
    outcomes = [*(busy() for _ in range(5)), httpx.Response(200, json=GOOD)]
    requests, pauses, result = steps(look(), outcomes, retries=retries, chance=0.5)
    assert pauses == [0.05, 0.1, 0.2, 0.25, 0.25]
    assert len(requests) == 6
    assert result == GOOD


@given(st.integers(1, 10_000), st.none() | st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_shorter_than_asked_nor_longer_than_the_longest_beyond(attempt, asked, chance):
    pause = Retries().pause(attempt, asked, chance)
    assert (asked or 0.0) <= pause <= (asked or 0.0) + Retries().longest_pause


def test_what_the_service_asks_for_is_waited():
    _, pauses, _ = steps(look(), [busy(**{"Retry-After": "3"}), httpx.Response(200, json=GOOD)], chance=0.0)
    assert pauses == [3.0]


@given(st.floats(0.01, 5.0), st.floats(0.5, 10.0), st.floats(0, 0.99))
def test_no_attempt_begins_after_the_total(seconds, total, chance):
    requests, pauses, error = steps(
        look(),
        [busy() for _ in range(50)],
        timeouts=Timeouts(total=total),
        retries=Retries(attempts=50),
        seconds=seconds,
        chance=chance,
    )
    assert isinstance(error, UnavailableError)
    assert len(requests) == 1 or sum(pauses) + (len(requests) - 1) * seconds < total


def test_the_time_left_bounds_an_attempt_and_is_told():
    timeouts = Timeouts(connect=2.0, read=4.0, total=5.0)
    requests, _, _ = steps(look(), [busy(), busy()], timeouts=timeouts, seconds=4.0, chance=0.0, retries=Retries(2))
    first, second = (request.extensions["timeout"] for request in requests)
    assert first == {"connect": 2.0, "read": 4.0, "write": 4.0, "pool": 2.0}
    assert second == {"connect": 1.0, "read": 1.0, "write": 1.0, "pool": 1.0}
    assert [request.headers["X-Request-Timeout-Ms"] for request in requests] == ["3800", "950"]


def test_a_batch_has_a_longer_limit():
    call = calls.batch_part([ScoreItem(1)], None, None)
    requests, _, _ = steps(call, [httpx.Response(200, json={"items": []})])
    assert requests[0].extensions["timeout"]["read"] == Timeouts().batch


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_what_was_never_sent_is_repeated_whatever_it_is(error):
    call = calls.tell("/v1/decisions/d/outcome", {}, None)
    requests, _, result = steps(call, [error, httpx.Response(200, json=GOOD)])
    assert (len(requests), result) == (2, GOOD)


@pytest.mark.parametrize("error", [httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.WriteError])
def test_what_may_have_been_handled_is_repeated_only_where_that_is_safe(error):
    told, _, failed = steps(calls.tell("/x", {}, None), [error])
    asked, _, _ = steps(calls.ask("/x", {}, None), [error, httpx.Response(200, json=GOOD)])
    assert (len(told), len(asked)) == (1, 2)
    assert not failed.never_sent


def test_an_attempt_repeats_the_same_bytes_and_key():
    call = calls.score(ScoreItem(7, {"amt_credit": 5.0}), None, None)
    requests, _, _ = steps(call, [busy(), busy(), busy(), busy()])
    assert len({request.content for request in requests}) == 1
    assert len({request.headers["Idempotency-Key"] for request in requests}) == 1
    assert json.loads(requests[0].content) == {
        "client_id": 7, "reasons": True, "lang": "en", "application": {"amt_credit": 5.0},
    }  # fmt: skip


@pytest.mark.parametrize("status", [301, 304])
def test_a_redirect_is_no_answer_of_this_api(status):
    _, _, error = steps(look(), [httpx.Response(status)])
    assert isinstance(error, UnexpectedAnswerError)


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b"\xff", b"null"])
def test_an_answer_that_is_no_object_is_told(content):
    _, _, error = steps(look(), [httpx.Response(200, content=content)])
    assert isinstance(error, UnexpectedAnswerError)


@given(st.binary(max_size=200), st.integers(400, 599))
def test_whatever_an_error_holds_it_becomes_a_problem(content, status):
    call = calls.look("/version", None, repeatable=False)
    _, _, error = steps(call, [httpx.Response(status, content=content)])
    assert error.status == status
    assert error.detail


def test_a_segment_cannot_leave_its_place_in_the_path():
    assert calls.segment("../a?b#c/d") == "..%2Fa%3Fb%23c%2Fd"


def test_a_time_to_come_back_may_be_a_date():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < seconds_to_wait(soon) <= 100
    assert seconds_to_wait("Sun, 06 Nov 1994 08:49:37 GMT") == 0.0
    assert seconds_to_wait("Sun, 06 Nov 1994 08:49:37 -0000") == 0.0


@given(st.none() | st.text(max_size=40))
def test_any_header_is_read_or_passed_over(value):
    found = seconds_to_wait(value)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timeouts(read=0),
        lambda: Retries(attempts=0),
        lambda: Retries(first_pause=-1),
        lambda: Access("key", lambda: "token"),
    ],
)
def test_senseless_options_are_refused(make):
    with pytest.raises(ValueError, match="not"):
        make()


def test_the_client_loads_nothing_heavy():
    heavy = ["numpy", "lightgbm", "pyarrow", "fastapi", "ray", "typer"]
    code = f"import sys, credit.client; print([name for name in {heavy} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
