"""Traces of requests and their stages, sent over OTLP; off, and without OpenTelemetry, unless an address is given.

Spans tell routes, stages, statuses and models, never anything about a client; an error is told by its code.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from credit.errors import CreditError

if TYPE_CHECKING:
    from serving.settings import ServingSettings

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class Span(Protocol):
    """Something that takes time; ended by the thread or task that began it."""

    trace_id: str

    def tell(self, attributes: Mapping[str, str | int]) -> None:
        """Add attributes; nothing about a client may be among them."""
        ...

    def name(self, name: str) -> None:
        """Give it its final name."""
        ...

    def end(self, *, failed: bool = False, code: str | None = None) -> None:
        """End it; `code` is that of the error that ended it."""
        ...


class Tracing(Protocol):
    """Port: begins spans."""

    def request(self, method: str, headers: Mapping[str, str], /) -> Span | None:
        """The span of an HTTP request, below the caller's span if its `traceparent` names one."""
        ...

    def stage(self, name: str, /) -> Span | None:
        """A span below the one that is under way here."""
        ...

    def close(self) -> None:
        """Send what is left, for a moment."""
        ...


class NoTracing:
    """`Tracing` that is off."""

    def request(self, _method: str, _headers: Mapping[str, str]) -> Span | None:
        """See `Tracing`."""
        return None

    def stage(self, _name: str) -> Span | None:
        """See `Tracing`."""
        return None

    def close(self) -> None:
        """See `Tracing`."""


NO_TRACING: Final[Tracing] = NoTracing()


def open_tracing(settings: "ServingSettings") -> Tracing:
    """Tracing as the settings want it."""
    if settings.otlp_endpoint is None:
        return NO_TRACING
    from serving.tracing_otlp import OtlpTracing

    return OtlpTracing(settings.otlp_endpoint, settings.trace_sample_share)


def trace_id_of(traceparent: str) -> str | None:
    """The trace id that a caller's W3C `traceparent` names, or None."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found and found[1].strip("0") else None


def code_of(error: BaseException) -> str:
    """What a span tells of an error: its code or its type, never its text."""
    return error.code if isinstance(error, CreditError) else type(error).__name__
