"""Traces that are sent to a collector by OTLP over HTTP, by a thread and in batches.

Importing this loads OpenTelemetry's SDK: tracing.py does where a collector is configured. The span of now is
kept here and not in OpenTelemetry's own context: that one complains when a stream ends in another task than
it began in.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode

from gateway.adapters.daemon_threads import DaemonThreads
from gateway.adapters.tracing import NO_SPAN, Span, Told

_MOST_WAITING = 2_048  # spans, about 2 KB each; more are dropped
_BATCH = 512
_SEND_EVERY_MS = 1_000
_SEND_TIMEOUT_S = 5.0
_CLOSE_S = 3.0
# https://www.w3.org/TR/trace-context/#traceparent-header, version 00; what is all zero is none.
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class OtlpTraces:
    """Implements Traces. A collector that is down costs spans, and no request."""

    def __init__(self, endpoint: str, service: str, version: str, share: float) -> None:
        """`endpoint`: a collector's base, as http://127.0.0.1:4318. `share` of the traces that begin here;
        whether a caller's own is kept, the caller says: somebody with a key."""
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_SEND_TIMEOUT_S)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource.create({"service.name": service, "service.version": version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter,
                max_queue_size=_MOST_WAITING,
                schedule_delay_millis=_SEND_EVERY_MS,
                max_export_batch_size=_BATCH,
            )
        )
        self._tracer = self._provider.get_tracer("gateway", version)
        self._now: ContextVar[trace.Span | None] = ContextVar("span", default=None)

    def request(self, name: str, told: Told, traceparent: str | None, began: float | None = None, /) -> Span:
        ago_s = 0.0 if began is None else time.perf_counter() - began
        start_ns = time.time_ns() - int(ago_s * 1e9)
        return self._begun(name, SpanKind.SERVER, told, _caller_span(traceparent), start_ns)

    def work(self, name: str, /) -> Span:
        return self._begun(name, SpanKind.INTERNAL, {}, None)

    def call(self, name: str, told: Told, /) -> Span:
        now = self._now.get()
        return self._begun(name, SpanKind.CLIENT, told, now) if now is not None else NO_SPAN

    def step(self, name: str, told: Told, /) -> Span:
        now = self._now.get()
        return self._begun(name, SpanKind.INTERNAL, told, now) if now is not None else NO_SPAN

    def headers(self) -> Mapping[str, str]:
        now = self._now.get()
        if now is None:
            return {}
        known = now.get_span_context()
        return {"traceparent": f"00-{known.trace_id:032x}-{known.span_id:016x}-{known.trace_flags:02x}"}

    async def close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await DaemonThreads(1, "traces").run(self._provider.shutdown)
        except TimeoutError:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # which ends its waiting for a collector that is down

    def _begun(
        self, name: str, kind: SpanKind, told: Told, parent: trace.Span | None, start_ns: int | None = None
    ) -> Span:
        # Without a parent an empty context, not the ambient one, which is nobody's here.
        around = trace.set_span_in_context(parent or trace.INVALID_SPAN, _NOTHING_AROUND)
        return _Kept(self._tracer.start_span(name, around, kind, told, start_time=start_ns), self._now)


_NOTHING_AROUND = trace.set_span_in_context(trace.INVALID_SPAN)


class _Kept:
    __slots__ = ("_before", "_now", "_span")

    def __init__(self, span: trace.Span, now: ContextVar[trace.Span | None]) -> None:
        self._span = span
        self._now = now
        self._before: trace.Span | None = None

    @property
    def trace_id(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def kept(self) -> bool:
        return self._span.is_recording()

    def tell(self, told: Told, /) -> None:
        self._span.set_attributes(told)

    def fail(self, error: str, /) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR))

    def __enter__(self) -> Span:
        self._before = self._now.get()
        self._now.set(self._span)
        return self

    def __exit__(self, *_: object) -> None:
        # Not by a token: a stream's end may run in another context than its beginning.
        self._now.set(self._before)
        self._span.end()


def _caller_span(traceparent: str | None) -> trace.Span | None:
    """The caller's span, where the header is one. `tracestate` and `baggage` are free text and not read."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return trace.NonRecordingSpan(
        trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags & 1))
    )
