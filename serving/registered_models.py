"""All versions that the registry knows, asked without ever holding a request up. Knows nothing of HTTP."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from credit.errors import RegistryError
from serving.registry import ListedVersion

log = logging.getLogger(__name__)

ListVersions = Callable[[str], tuple[ListedVersion, ...]]


class RegisteredModels:
    """Lists the versions of one registered model in a thread of its own; for one event loop.

    At most one question is under way. A request waits for it only while the question is younger than the limit, so
    that a registry that hangs costs each request nothing after the first moment; and an answer is kept for a moment,
    so that many requests ask once.

    Args:
        name: of the registered model.
        alias: that this replica follows.
        list_versions: asks the registry; blocks, and raises RegistryError.
        limit: seconds to wait for an answer.
        keep: seconds for which an answer counts as fresh.
    """

    def __init__(
        self, name: str, alias: str, list_versions: ListVersions, limit: float = 1.0, keep: float = 5.0
    ) -> None:
        self.alias = alias
        self._name = name
        self._list_versions = list_versions
        self._limit = limit
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._asked: tuple[float, Future[tuple[ListedVersion, ...]]] | None = None

    async def versions(self) -> tuple[ListedVersion, ...] | None:
        """The versions, the newest first; None when the registry does not tell them in time."""
        started, answer = self._question()
        left = started + self._limit - time.monotonic()
        if not answer.done() and left <= 0:
            return None
        try:
            limit = None if answer.done() else left
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(answer)), limit)
        except TimeoutError:
            return None
        except RegistryError as error:
            log.warning("the registry's versions are not listed: %s", error)
            return None

    def close(self) -> None:
        """End the thread once its question is answered."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _question(self) -> tuple[float, Future[tuple[ListedVersion, ...]]]:
        """When the question was asked whose answer counts now, and that answer."""
        now = time.monotonic()
        if self._asked is None or (self._asked[1].done() and now - self._asked[0] > self._keep):
            self._asked = (now, self._thread.submit(self._list_versions, self._name))
        return self._asked
