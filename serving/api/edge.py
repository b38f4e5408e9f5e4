"""What surrounds every request: its id, its one line in the access log, and a trace of unforeseen errors."""

import json
import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = "X-Request-ID"
access_log = logging.getLogger("serving.access")
log = logging.getLogger(__name__)

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class RequestEdge:
    """ASGI middleware.

    Args:
        app: what answers.
        echo_request_id: set the id on the answer; False where an outer server does (Ray Serve).
    """

    def __init__(self, app: ASGIApp, echo_request_id: bool) -> None:
        self._app = app
        self._echo = echo_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._echo:
                    MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except ClientDisconnect:
            status = 499
        except Exception:
            log.exception("request %s failed", request_id)  # it was answered before it came here
        finally:
            _write_access_line(scope, request_id, status, time.perf_counter() - started)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
    return given if _ACCEPTED_ID.fullmatch(given) else str(uuid.uuid4())


def _write_access_line(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    """One JSON line without anything about the client."""
    if not access_log.isEnabledFor(logging.INFO):
        return
    line: dict[str, Any] = {
        "time": time.time(),
        "request_id": request_id,
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(seconds * 1000, 3),
    }
    access_log.info(json.dumps(line, separators=(",", ":")))
