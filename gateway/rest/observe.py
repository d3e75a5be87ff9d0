"""What is told of a request: one JSON line and its metrics. Never a body, a query or a key.

Lines are gathered and written by a thread every fifth of a second: a full pipe must not stop the event loop.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson

from gateway.adapters.metrics import Metrics
from gateway.adapters.tracing import NO_SPAN, NO_TRACES, Span, Traces
from gateway.domain import Caller, Quota, Usage
from gateway.errors import Code
from gateway.rest.routes import template
from gateway.rest.strangers import Strangers
from gateway.slo import Slo

_FLUSH_S = 0.2
_MAX_LINES = 50_000  # waiting at once; more are counted and dropped
# Asked every few seconds by machines that want to know nothing else.
_NOT_TRACED = frozenset({"/-/healthz", "/-/readyz", "/metrics"})


_NOTHING_USED = Usage()


@dataclass(slots=True)
class Exchange:
    """One request and its answer as they become known."""

    request_id: str
    method: str
    path: str = field(repr=False)
    started: float = field(default_factory=time.perf_counter)
    caller: Caller | None = None
    quota: Quota | None = None
    status: int = 0  # 0: no answer was begun
    code: Code | None = None
    stream: bool = False
    masked: Mapping[str, int] = field(default_factory=dict)  # distinct values, by kind
    usage: Usage = _NOTHING_USED
    client_left: bool = False
    over: bool = False  # its last byte was sent, or its account was taken
    span: Span = NO_SPAN  # once its caller was let in; ends with it
    route: str = field(init=False)  # the path's template

    def __post_init__(self) -> None:
        self.route = template(self.path)


class Observer:
    """Tells metrics and traces of exchanges, and writes their lines to `out`."""

    def __init__(
        self, metrics: Metrics, traces: Traces = NO_TRACES, out: BinaryIO = sys.stdout.buffer
    ) -> None:
        self.slo = Slo()
        self._metrics = metrics
        self._traces = traces
        self._out = out
        self._strangers = Strangers()
        self._lines: list[bytes] = []

    def watching(self, exchange: Exchange) -> "_Watching":
        """For as long as an exchange lasts; takes the account of it then."""
        return _Watching(self, exchange)

    def let_in(self, exchange: Exchange, traceparent: bytes | None) -> None:
        """Its caller was: now it has a span, as of its head. Before, anybody could fill what waits for the
        collector, and write trace ids into the log."""
        exchange.span = self._span(exchange, traceparent).__enter__()

    def _span(self, exchange: Exchange, traceparent: bytes | None) -> Span:
        """By https://opentelemetry.io/docs/specs/semconv/http/http-spans/, but for `url.path`: a path as
        typed may hold anything."""
        if self._traces is NO_TRACES or exchange.route in _NOT_TRACED:
            return NO_SPAN
        told = {
            "http.request.method": exchange.method,
            "http.route": exchange.route,
            "url.scheme": "http",
            "gateway.request_id": exchange.request_id,
        }
        name = f"{exchange.method} {exchange.route}"
        parent = traceparent.decode("latin-1") if traceparent else None
        return self._traces.request(name, told, parent, exchange.started)

    def done(self, exchange: Exchange) -> None:
        """Takes the account of a finished exchange."""
        exchange.over = True
        status = _status(exchange)
        seconds = time.perf_counter() - exchange.started
        self._metrics.answered(exchange.route, status, exchange.code, seconds)
        impatient = exchange.code is Code.DEADLINE_EXCEEDED  # the caller's wish, as if they had left
        self.slo.record(exchange.route, 499 if impatient else status, seconds, whole=exchange.code is None)
        if exchange.code is not None:
            self._metrics.refused(
                exchange.caller.key_id if exchange.caller else None, exchange.route, exchange.code
            )
        self._metrics.consumed(exchange.usage)
        self._metrics.masked(exchange.masked)
        self._write(exchange, status, seconds)

    def _write(self, exchange: Exchange, status: int, seconds: float) -> None:
        line = {
            "ts": time.time(),
            "level": "info" if status < 500 or exchange.code is Code.DEADLINE_EXCEEDED else "error",
            "event": "request",
            "request_id": exchange.request_id,
            "trace_id": exchange.span.trace_id,
            "key_id": exchange.caller.key_id if exchange.caller else None,
            "method": exchange.method,
            "route": exchange.route,
            "status": status,
            "code": exchange.code,
            "ms": round(seconds * 1000, 3),
            "stream": exchange.stream,
            "masked": sum(exchange.masked.values()),
            "masked_kinds": exchange.masked,
            "prompt_tokens": exchange.usage.prompt_tokens,
            "completion_tokens": exchange.usage.completion_tokens,
        }
        self.tell(line)

    def tell(self, line: Mapping[str, object]) -> None:
        """Writes a line of JSON soon; of those without a key a few a second, and how many they stand for."""
        if line.get("code") is Code.UNAUTHENTICATED:
            untold = self._strangers.line(time.monotonic())
            if untold is None:
                return
            line = {**line, "untold": untold}
        if len(self._lines) >= _MAX_LINES:
            self._metrics.lost_line()
            return
        self._lines.append(orjson.dumps(line))

    async def write_lines(self) -> None:
        """Runs until cancelled, then writes what is left."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_S)
                if untold := self._strangers.rest(time.monotonic()):
                    told = {"ts": time.time(), "level": "warning", "event": "strangers", "untold": untold}
                    self._lines.append(orjson.dumps(told))
                if self._lines:
                    await asyncio.to_thread(self._flush)
        finally:
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        # A closed pipe is no reason to stop answering.
        with suppress(OSError, ValueError):
            self._out.write(b"\n".join(lines) + b"\n")
            self._out.flush()


class _Watching:
    """A class, because a generator's context and a stack of exits for the span took 4 of the 80 microseconds
    that the gateway's own code has for a request."""

    __slots__ = ("_exchange", "_observer")

    def __init__(self, observer: Observer, exchange: Exchange) -> None:
        self._observer = observer
        self._exchange = exchange

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: object) -> None:
        exchange = self._exchange
        span = exchange.span
        try:
            self._observer.done(exchange)
            if span is not NO_SPAN:
                span.tell({"http.response.status_code": _status(exchange)})
                if exchange.status >= 500 or (exchange.code and exchange.status < 400):
                    span.fail(exchange.code or str(exchange.status))
        finally:
            span.__exit__(*raised)


def _status(exchange: Exchange) -> int:
    return 499 if exchange.client_left else exchange.status
