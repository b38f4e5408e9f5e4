"""A port of its own for one node's metrics: a front end may send `/metrics` to a replica of another node."""

import http.server
import logging
import socket
import socketserver
import threading
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

log = logging.getLogger(__name__)


class MetricsPort:
    """Answers `/metrics` on a port that all replicas of one node hold together; whichever is asked tells the sum.

    Args:
        registry: what to tell.
        host: address to listen on.
        port: None opens nothing.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int | None) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._server: _Server | None = None

    def open(self) -> None:
        """Listen; a port that another program holds is told in the log and costs no answer."""
        if self._port is None or self._server is not None:
            return
        try:
            self._server = _Server(self._host, self._port, self._registry)
        except OSError as error:
            log.error("metrics are not told on port %d: %s", self._port, error.strerror)  # noqa: TRY400 - no surprise
            return
        threading.Thread(target=self._server.serve_forever, name="metrics-port", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_port = True  # the kernel gives a connection to one of the living processes

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        known = self.path.partition("?")[0] == "/metrics"
        body = generate_latest(self.server.registry) if known else b"see /metrics\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST if known else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: scrapes come every few seconds."""
