"""Admission: how many requests run at once, each for how long, and batches beside single requests."""

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from starlette.requests import Request

from serving.api.bodies import header
from serving.api.problems import FieldProblem, InvalidRequestError, OverloadedError, RequestTimeoutError

#: A caller that has stopped waiting says so beforehand: the most milliseconds that the answer may take.
DEADLINE_HEADER: Final = "X-Request-Timeout-Ms"
_LONGEST_DEADLINE: Final = 10**9 - 1
#: That header as OpenAPI describes it, for operations that go through `Workers`.
DEADLINE: Final = header(
    DEADLINE_HEADER,
    "Milliseconds after which the caller has no use for the answer.",
    500,
    type="integer",
    minimum=1,
    maximum=_LONGEST_DEADLINE,
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Admission:
    """What one replica takes.

    Attributes:
        ongoing_requests: single requests under way at once; one more is refused.
        request_timeout: seconds for a single request.
        ongoing_batches: batches under way at once; one more is refused.
        batch_timeout: seconds for a batch.
    """

    ongoing_requests: int
    request_timeout: float
    ongoing_batches: int
    batch_timeout: float


class ContextThreads(ThreadPoolExecutor):
    """Threads in which a call sees the context variables of who submitted it: the trace that it belongs to."""

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """See `Executor.submit`."""
        return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)


class Workers:
    """Runs blocking calls in threads, because they wait for Redis and for the model.

    Batches have a thread of their own and go through it chunk by chunk in turn, so that single requests always find
    theirs free.
    """

    def __init__(self, pool: Executor, admission: Admission) -> None:
        self._pool = pool
        self._batches = ContextThreads(1, thread_name_prefix="batches")
        self._admission = admission
        self._ongoing = 0
        self._ongoing_batches = 0

    async def run(self, request: Request, call: Callable[..., _T], *arguments: object) -> _T:
        """The result of one blocking call.

        Raises:
            OverloadedError: too many are under way.
            RequestTimeoutError: it took longer than the limit, or than the caller would wait.
            InvalidRequestError: the caller's limit is no number.
        """
        seconds = _limit(request, self._admission.request_timeout)
        if self._ongoing >= self._admission.ongoing_requests:
            raise OverloadedError(f"{self._ongoing} requests are under way: try again in a moment")
        self._ongoing += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(seconds):
                return await loop.run_in_executor(self._pool, call, *arguments)
        except TimeoutError:
            raise RequestTimeoutError(f"no answer within {seconds:g} s") from None
        finally:
            self._ongoing -= 1

    async def run_chunks(self, request: Request, chunks: Iterable[Callable[[], _T]]) -> list[_T]:
        """The results of the chunks of one batch, one after the other; single requests go between them.

        Raises:
            OverloadedError: too many batches are under way.
            RequestTimeoutError: they took longer than the limit, or than the caller would wait.
            InvalidRequestError: the caller's limit is no number.
        """
        seconds = _limit(request, self._admission.batch_timeout)
        if self._ongoing_batches >= self._admission.ongoing_batches:
            raise OverloadedError(f"{self._ongoing_batches} batches are under way: try again in a moment")
        self._ongoing_batches += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(seconds):
                return [await loop.run_in_executor(self._batches, chunk) for chunk in chunks]
        except TimeoutError:
            raise RequestTimeoutError(f"no answer within {seconds:g} s") from None
        finally:
            self._ongoing_batches -= 1

    def close(self) -> None:
        """End the batches' thread."""
        self._batches.shutdown(wait=False, cancel_futures=True)


def _limit(request: Request, own: float) -> float:
    given = request.headers.get(DEADLINE_HEADER)
    if given is None:
        return own
    if not (given.isascii() and given.isdigit() and 0 < int(given) <= _LONGEST_DEADLINE):
        raise InvalidRequestError([FieldProblem(field=DEADLINE_HEADER, message="must be whole milliseconds")])
    return min(own, int(given) / 1000)
