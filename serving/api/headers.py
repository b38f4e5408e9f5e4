"""Headers that keep answers where they belong: out of caches, frames and other sites' pages."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.docs_page import ASSETS_PATH
from serving.api.edge import REQUEST_ID_HEADER
from serving.callers.credentials import API_KEY_HEADER

_ANYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NO_PAGE: Final = "default-src 'none'; frame-ancestors 'none'"
_SENT: Final = (
    "Authorization",
    API_KEY_HEADER,
    "Content-Type",
    "Idempotency-Key",
    REQUEST_ID_HEADER,
    "X-Request-Timeout-Ms",
)
_READ: Final = (REQUEST_ID_HEADER, "Retry-After", "WWW-Authenticate")


class SafeHeaders:
    """ASGI middleware: sets what an answer did not set itself.

    HSTS is not among them: TLS ends at the ingress in front, which says so for its own name.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def safe_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self._app(scope, receive, safe_send)


def with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """`app` for pages of these sites too; without any it answers no cross-origin page.

    Cookies are never involved, so credentials in the sense of CORS stay off.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app, allow_origins=[*origins], allow_methods=("GET", "POST"), allow_headers=_SENT, expose_headers=_READ
    )


def _complete(headers: MutableHeaders, path: str) -> None:
    for name, value in _ANYWHERE.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", _NO_PAGE)
    if not path.startswith(f"{ASSETS_PATH}/"):
        headers.setdefault("Cache-Control", "no-store")
