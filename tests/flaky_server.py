"""A real HTTP server in front of an ASGI application that fails on purpose: drops, delays, refuses, garbles."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx
from starlette.types import ASGIApp

#: What happens to one request: answered; connection closed before or after it was handled; handled and answered too
#: late; handled, but answered as if not; refused; answered by something else.
Fault = Literal["none", "drop before", "drop after", "slow", "503 after", "503", "503 later", "429", "garbage"]
SLOW_SECONDS = 1.0


class FlakyServer:
    """Takes one of `faults` for each request, in order; then answers well."""

    def __init__(self, app: ASGIApp) -> None:
        self.faults: list[Fault] = []
        self.seen: list[dict[str, str]] = []
        self.app = app
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"flaky": self}))
        self._http.daemon_threads = True
        self._loop = asyncio.new_event_loop()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def next_fault(self, headers: dict[str, str]) -> Fault:
        """What happens to the next request."""
        with self._lock:
            self.seen.append(headers)
            return self.faults.pop(0) if self.faults else "none"

    def answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """The application's own answer."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
                return await client.request(method, path, content=body, headers=headers)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(60)

    @contextmanager
    def running(self) -> Iterator["FlakyServer"]:
        """Serve while the block runs."""
        threads = [threading.Thread(target=target) for target in (self._http.serve_forever, self._loop.run_forever)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            self._loop.call_soon_threadsafe(self._loop.stop)
            for thread in threads:
                thread.join(10)
            self._loop.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    flaky: FlakyServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.flaky.next_fault(headers)
        refusals = {"503": (503, "0"), "503 later": (503, "3600"), "429": (429, "1")}
        if fault == "drop before":
            self._drop()
        elif fault == "garbage":
            self._send(200, "text/html", b"<h1>it works</h1>")
        elif fault in refusals:
            status, wait = refusals[fault]
            self._send(status, "text/plain", b"busy", {"Retry-After": wait})
        else:
            self._handle(fault, body, headers)

    def _handle(self, fault: Fault, body: bytes, headers: dict[str, str]) -> None:
        answer = self.flaky.answer(self.command, self.path, body, headers)
        if fault == "drop after":
            self._drop()
        elif fault == "503 after":
            self._send(503, "text/plain", b"busy", {"Retry-After": "0"})
        else:
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            self._send(answer.status_code, answer.headers["content-type"], answer.content)

    def _drop(self) -> None:
        self.close_connection = True

    def _send(self, status: int, media_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
