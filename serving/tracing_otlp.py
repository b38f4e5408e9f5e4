"""Spans by OpenTelemetry, exported over OTLP/HTTP from a thread of their own.

A slow or absent collector costs no answer: what it does not take in time is dropped.
"""

from collections.abc import Mapping
from contextvars import Token
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from credit import __version__
from serving.tracing import Span

_PATH: Final = "/v1/traces"
_SEND_SECONDS: Final = 5.0
_LAST_SEND_MILLISECONDS: Final = 2_000


class OtlpTracing:
    """`Tracing` with a provider of its own: the process's global one stays as it is.

    Args:
        endpoint: the collector's address, with or without `/v1/traces`. Headers for it, and its certificates, come
            from OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_*`).
        share: of the requests to trace, 0 to 1, when the caller has not decided.
    """

    def __init__(self, endpoint: str, share: float) -> None:
        address = endpoint.rstrip("/")
        exporter = OTLPSpanExporter(
            endpoint=address if address.endswith(_PATH) else address + _PATH, timeout=_SEND_SECONDS
        )
        resource = Resource.create({"service.name": "credit-scoring", "service.version": __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("serving", __version__)
        self._callers = TraceContextTextMapPropagator()

    def request(self, method: str, headers: Mapping[str, str]) -> Span | None:
        """See `Tracing`."""
        parent = self._callers.extract(headers, context=Context())
        return self._begin(method, SpanKind.SERVER, parent)

    def stage(self, name: str) -> Span | None:
        """See `Tracing`."""
        return self._begin(name, SpanKind.INTERNAL, None)

    def close(self) -> None:
        """See `Tracing`."""
        self._provider.force_flush(_LAST_SEND_MILLISECONDS)
        self._provider.shutdown()

    def _begin(self, name: str, kind: SpanKind, parent: Context | None) -> Span:
        span = self._tracer.start_span(
            name, context=parent, kind=kind, record_exception=False, set_status_on_exception=False
        )
        return _OtlpSpan(span, context.attach(trace.set_span_in_context(span)))


class _OtlpSpan:
    __slots__ = ("_span", "_token", "trace_id")

    def __init__(self, span: trace.Span, token: Token[Context]) -> None:
        self._span = span
        self._token = token
        self.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def tell(self, attributes: Mapping[str, str | int]) -> None:
        self._span.set_attributes(attributes)

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def end(self, *, failed: bool = False, code: str | None = None) -> None:
        if failed:
            self._span.set_status(Status(StatusCode.ERROR, code))
        context.detach(self._token)
        self._span.end()
