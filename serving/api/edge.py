"""What surrounds every request: its id, its trace, its count, its one line in the access log, and unforeseen errors."""

import json
import logging
import re
import time
import uuid
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import ScoringMetrics
from serving.tracing import Span, trace_id_of

REQUEST_ID_HEADER = "X-Request-ID"
access_log = logging.getLogger("serving.access")
log = logging.getLogger(__name__)

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
#: Status of a request whose caller left before the answer; nobody sees it but logs and metrics.
_CALLER_LEFT: Final = 499
_FAILED: Final = 500
#: Asked every few seconds: they would fill the traces.
_UNTRACED: Final = frozenset({"/livez", "/readyz", "/metrics"})
#: Measured from end to end.
_MEASURED: Final = "/v1/score"
_UNKNOWN_ROUTE: Final = "other"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestEdge:
    """ASGI middleware.

    Args:
        app: what answers.
        metrics: counts and traces.
        echo_request_id: set the id on the answer; False where an outer server does (Ray Serve).
    """

    def __init__(self, app: ASGIApp, metrics: ScoringMetrics, echo_request_id: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._echo = echo_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, self._metrics)

        async def observed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                if self._echo:
                    MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request.id
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except ClientDisconnect:
            request.status = _CALLER_LEFT
        except Exception:
            log.exception("request %s failed", request.id)  # it was answered before it came here
        finally:
            request.end()


class _Request:
    """One request, from its first byte to its last."""

    __slots__ = ("_metrics", "_scope", "_span", "_started", "_traceparent", "id", "status")

    def __init__(self, scope: Scope, metrics: ScoringMetrics) -> None:
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID_HEADER, "")
        self.id = given if _ACCEPTED_ID.fullmatch(given) else str(uuid.uuid4())
        self.status = 0
        self._scope = scope
        self._metrics = metrics
        self._traceparent = headers.get("traceparent")
        scope.setdefault("state", {})["request_id"] = self.id
        self._span: Span | None = None
        if scope["path"] not in _UNTRACED:
            self._span = metrics.tracing.request(self._method, headers)
        metrics.arrived()
        self._started = time.perf_counter()

    def end(self) -> None:
        """Count it, end its span, write its line."""
        seconds = time.perf_counter() - self._started
        status = self.status or _CALLER_LEFT  # cancelled before it was answered
        route = self._route
        problem = None if status == _CALLER_LEFT else self._state.get("problem")
        self._metrics.answered(route, status, problem, seconds if route == _MEASURED else None)
        if self._span is not None:
            self._end_span(self._span, route, status, problem)
        if access_log.isEnabledFor(logging.INFO):
            access_log.info(json.dumps(self._line(route, status, problem, seconds), separators=(",", ":")))

    def _end_span(self, span: Span, route: str, status: int, problem: str | None) -> None:
        span.name(f"{self._method} {route}")
        span.tell({"http.request.method": self._method, "http.route": route, "http.response.status_code": status})
        span.tell({"credit.request_id": self.id} | ({"error.type": problem} if problem else {}))
        span.end(failed=status >= _FAILED)

    def _line(self, route: str, status: int, problem: str | None, seconds: float) -> dict[str, Any]:
        """Nothing in it tells about a client: paths and queries hold ids, so only the route's template is told."""
        caller = self._state.get("caller")
        return {
            "time": time.time(),
            "request_id": self.id,
            "trace_id": self._trace_id,
            "caller": None if caller is None else caller.name,
            "method": self._method,
            "route": route,
            "status": status,
            "problem": problem,
            "ms": round(seconds * 1000, 3),
        }

    @property
    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._scope["state"]
        return state

    @property
    def _method(self) -> str:
        method: str = self._scope["method"]
        return method if method in _METHODS else _UNKNOWN_ROUTE

    @property
    def _route(self) -> str:
        """The template, such as `/v1/decisions/{decision_id}`."""
        route: str = getattr(self._scope.get("route"), "path", _UNKNOWN_ROUTE)
        return route

    @property
    def _trace_id(self) -> str | None:
        if self._span is not None:
            return self._span.trace_id
        return None if self._traceparent is None else trace_id_of(self._traceparent)
