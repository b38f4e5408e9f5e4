"""Keys that change while the service runs: the last good content stays in force until a better one is read."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import httpx

from credit.errors import CreditError, SettingsError

log = logging.getLogger(__name__)
_T = TypeVar("_T")
_FETCH_SECONDS = 3.0
_MOST_BYTES = 1_048_576


class Source(Protocol):
    """Where content comes from."""

    def read(self) -> bytes | None:
        """The content; None when it is what was read last.

        Raises:
            SettingsError: it cannot be read.
        """


class FileSource:
    """A file; it is read again only when its state on disk has changed.

    The state is that of the file behind links: Kubernetes changes a mounted Secret by pointing a link elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int, int] | None = None

    def read(self) -> bytes | None:
        """See `Source.read`."""
        try:
            state = self._state()  # before reading: a change in between is found at the next look
            if state == self._seen:
                return None
            content = self._path.read_bytes()
        except OSError as error:
            self._seen = None
            raise SettingsError(f"{self._path} cannot be read: {error.strerror or type(error).__name__}") from None
        self._seen = state
        return content

    def _state(self) -> tuple[int, int, int, int]:
        found = os.stat(self._path)  # noqa: PTH116 the plain call is cheaper, and this runs every second
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


class UrlSource:
    """An http(s) address, fetched at each read; redirects are not followed."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self) -> bytes:
        """See `Source.read`; always the content."""
        try:
            with httpx.stream("GET", self._url, timeout=_FETCH_SECONDS, follow_redirects=False) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise SettingsError(f"{self._url} answers {answer.status_code}")
                return self._body(answer)
        except httpx.HTTPError as error:
            raise SettingsError(f"{self._url} does not answer: {type(error).__name__}") from None

    def _body(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise SettingsError(f"{self._url} answers more than {_MOST_BYTES} bytes")
        return bytes(body)


class Followed(Generic[_T]):
    """The last good value of a source; a thread looks for a new one until stopped.

    Args:
        source: where content comes from.
        parse: makes a value of content, or raises SettingsError.
        what: names the value in the log.
        seconds: pause between two looks.
    """

    def __init__(self, source: Source, parse: Callable[[bytes], _T], what: str, seconds: float) -> None:
        self._source = source
        self._parse = parse
        self._what = what
        self._seconds = seconds
        self._value: _T | None = None
        self._complaint: str | None = None
        self._reading = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{what} follower", daemon=True)

    @property
    def value(self) -> _T | None:
        """The last good value; None before the first."""
        return self._value

    def load(self) -> None:
        """Take the newest value.

        Raises:
            SettingsError: it cannot be read or is malformed; the last good value stays.
        """
        with self._reading:
            content = self._source.read()
            if content is not None:
                self._value = self._parse(content)
                log.info("%s: read", self._what)

    def refresh(self) -> None:
        """Take the newest value; a source that is away or broken is told in the log, once."""
        try:
            self.load()
        except CreditError as error:
            if str(error) != self._complaint:
                log.error("%s: %s; the last good ones stay in force", self._what, error)  # noqa: TRY400 designed
            self._complaint = str(error)
        except Exception:
            log.exception("%s: following failed; the last good ones stay in force", self._what)
        else:
            self._complaint = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one in the middle of a fetch ends by itself."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.refresh()
            self._stop.wait(self._seconds)
