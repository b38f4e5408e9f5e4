"""How a call is carried out, free of input and output: a generator of steps that a client takes in its own way.

The synchronous and the asynchronous client differ only in how they take a step, so neither repeats the other's rules.
"""

import logging
import random
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias, TypeVar

import httpx

from credit import __version__
from credit.client import calls
from credit.client.answers import BatchItem, ItemProblem
from credit.client.calls import Call, Headers, IdempotencyKey, ScoreItem
from credit.client.errors import (
    NoAnswerError,
    RateLimitedError,
    ServiceError,
    UnavailableError,
    UnexpectedAnswerError,
    error_of,
)
from credit.client.timing import Retries, Timeouts
from credit.errors import SettingsError

log = logging.getLogger(__name__)
_T = TypeVar("_T")
_DEADLINE_HEADER: Final = "X-Request-Timeout-Ms"
#: The server's clock starts later than ours: told to stop a little earlier, its own answer still arrives.
_SHARE_OF_THE_SERVER: Final = 0.95


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for some seconds."""

    seconds: float


Step: TypeAlias = httpx.Request | Wait
#: Outcome of a request; None of a pause.
Outcome: TypeAlias = httpx.Response | httpx.RequestError | None
Flow: TypeAlias = Generator[Step, Outcome, _T]


@dataclass(frozen=True, slots=True)
class Access:
    """How the caller proves who it is: a fixed key, or a function that tells the token to use now."""

    api_key: str | None = None
    token: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if self.api_key is not None and self.token is not None:
            raise ValueError("give an API key or a token, not both")

    def headers(self) -> dict[str, str]:
        """Headers of one request."""
        secret = self.api_key if self.token is None else self.token()
        return {} if secret is None else {"Authorization": f"Bearer {secret}"}


class Exchange:
    """Carries calls out.

    Args:
        base_url: address of the service.
        access: who calls.
        headers: sent with every request.
        timeouts: how long a call may take.
        retries: when it is tried again.
        clock: monotonic seconds.
        chance: uniform in [0, 1).

    Raises:
        SettingsError: the address is none.
    """

    def __init__(
        self,
        base_url: str,
        access: Access,
        headers: Headers,
        timeouts: Timeouts,
        retries: Retries,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._base_url = _checked(base_url)
        self._access = access
        self._headers = {"User-Agent": f"credit-client/{__version__}", "Accept": "application/json", **headers}
        self._timeouts = timeouts
        self._retries = retries
        self._clock = clock
        self._chance = chance

    def call(self, call: Call[_T]) -> Flow[_T]:
        """One call with its attempts.

        Raises:
            ServiceError: the last attempt's, when no other is allowed or would come too late.
        """
        ends = self._clock() + self._timeouts.total
        for attempt in count(1):
            outcome = yield self._request(call, ends - self._clock())
            assert outcome is not None
            error = error_of(outcome)
            if error is None:
                assert isinstance(outcome, httpx.Response)
                return call.read(outcome)
            pause = self._retries.pause(attempt, getattr(error, "retry_after", None), self._chance())
            if not self._again(call, error, attempt) or self._clock() + pause >= ends:
                raise error
            log.info("%s: attempt %d follows in %.2f s", error.code, attempt + 1, pause)
            yield Wait(pause)
        raise AssertionError("attempts are counted without end")

    def score_batch(
        self, items: Iterable[ScoreItem | int], key: IdempotencyKey, headers: Headers | None
    ) -> Flow[list[BatchItem]]:
        """As many calls as the items need, one after the other.

        When one that is not the first fails, its items and those after it carry the problem: what was decided before
        is not lost.

        Raises:
            ServiceError: the first call failed.
        """
        answered: list[BatchItem] = []
        failed: ServiceError | None = None
        for at, part in enumerate(calls.parts(items)):
            if failed is None:
                try:
                    answered += yield from self._part(part, calls.part_key(key, at), headers)
                    continue
                except ServiceError as error:
                    if not at:
                        raise
                    failed = error
            problem = ItemProblem(code=failed.code, detail=str(failed))
            answered += [BatchItem(client_id=item.client_id, problem=problem) for item in part]
        return answered

    def _part(self, part: list[ScoreItem], key: IdempotencyKey, headers: Headers | None) -> Flow[tuple[BatchItem, ...]]:
        answer = yield from self.call(calls.batch_part(part, key, headers))
        if [item.client_id for item in answer.items] != [item.client_id for item in part]:
            raise UnexpectedAnswerError("the answer to a batch is about other clients than its request")
        return answer.items

    def _request(self, call: Call[_T], remaining: float) -> httpx.Request:
        longest = self._timeouts.batch if call.batch else self._timeouts.read
        seconds = max(0.001, min(longest, remaining))
        connect = min(self._timeouts.connect, seconds)
        timeout = httpx.Timeout(connect=connect, read=seconds, write=seconds, pool=connect)
        deadline = {_DEADLINE_HEADER: str(max(1, int(seconds * _SHARE_OF_THE_SERVER * 1000)))}
        return httpx.Request(
            call.method,
            f"{self._base_url}{call.path}",
            content=call.content,
            headers={**self._headers, **self._access.headers(), **deadline, **call.headers},
            extensions={"timeout": timeout.as_dict()},
        )

    def _again(self, call: Call[_T], error: ServiceError, attempt: int) -> bool:
        if attempt >= self._retries.attempts:
            return False
        if isinstance(error, NoAnswerError) and error.never_sent:
            return True
        return call.repeatable and isinstance(error, NoAnswerError | RateLimitedError | UnavailableError)


def _checked(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(f"the address of the service must look like http://HOST:PORT, not like {base_url}")
    return base_url.rstrip("/")
