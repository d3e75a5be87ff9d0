"""What is told of a request: one JSON line and a few counters. Never a text, a path as typed or a key.

Lines are gathered and written by a thread every fifth of a second: a full pipe must not stop the event loop.
"""

import asyncio
import contextlib
import logging
import re
import sys
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from embeddings.errors import Code

_FLUSH_S = 0.2
_MAX_LINES = 50_000  # waiting at once; more are counted and dropped
_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30)
_EXACT = frozenset(
    {
        "/-/healthz",
        "/-/readyz",
        "/metrics",
        "/v1/embeddings",
        "/v1/models",
        "/v1/status",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
    }
)
# A path itself may hold what a caller typed; its template does not.
_TEMPLATES = (
    (re.compile(r"/v1/models/[^/]+:predict"), "/v1/models/{name}:predict"),
    (re.compile(r"/v1/models/.+"), "/v1/models/{name}"),
    (re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?/infer"), "/v2/models/{name}/infer"),
    (re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?/ready"), "/v2/models/{name}/ready"),
    (re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?"), "/v2/models/{name}"),
)


@dataclass(slots=True)
class Exchange:
    """One request and its answer as they become known."""

    request_id: str
    method: str
    path: str = field(repr=False)
    started: float = field(default_factory=time.perf_counter)
    status: int = 0  # 0: no answer was begun
    code: Code | None = None
    texts: int = 0
    tokens: int = 0
    client_left: bool = False
    model: str = ""  # of the table, once it is found there
    labels: Sequence[str] = ()  # that a head gave

    @property
    def route(self) -> str:
        if self.path in _EXACT:
            return self.path
        return next((name for pattern, name in _TEMPLATES if pattern.fullmatch(self.path)), "other")


class Observer:
    """Counts exchanges and batches, and writes the exchanges' lines to `out`."""

    def __init__(self, out: BinaryIO = sys.stdout.buffer) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "embeddings_requests", "Requests answered.", ("route", "status", "code"), registry=registry
        )
        self._seconds = Histogram(
            "embeddings_request_seconds",
            "From the request's head to the last byte of its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._texts = Counter("embeddings_texts", "Texts computed.", registry=registry)
        self._tokens = Counter("embeddings_tokens", "Tokens computed, padding apart.", registry=registry)
        self._batch_texts = Histogram(
            "embeddings_batch_texts",
            "Texts in a batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "embeddings_batch_seconds", "One batch on its core.", buckets=_BUCKETS, registry=registry
        )
        self._predictions = Counter(
            "embeddings_predictions", "Labels that heads gave.", ("model", "label"), registry=registry
        )
        self._lost = Counter("embeddings_log_lines_lost", "Log lines dropped.", registry=registry)
        self._out = out
        self._lines: list[bytes] = []

    def watch_queue(self, waiting: Callable[[], float]) -> None:
        """Shows the number of texts that wait."""
        gauge = Gauge("embeddings_waiting_texts", "Texts waiting for a core.", registry=self.registry)
        gauge.set_function(waiting)

    def batch(self, texts: int, tokens: int, seconds: float) -> None:
        """Takes the account of a computed batch."""
        self._texts.inc(texts)
        self._tokens.inc(tokens)
        self._batch_texts.observe(texts)
        self._batch_seconds.observe(seconds)

    def done(self, exchange: Exchange) -> None:
        """Takes the account of a finished exchange."""
        status = 499 if exchange.client_left else exchange.status
        seconds = time.perf_counter() - exchange.started
        self._requests.labels(exchange.route, str(status), exchange.code or "").inc()
        self._seconds.labels(exchange.route).observe(seconds)
        for label, count in Tally(exchange.labels).items():
            self._predictions.labels(exchange.model, label).inc(count)
        if len(self._lines) >= _MAX_LINES:
            self._lost.inc()
            return
        line = {
            "ts": time.time(),
            "level": "info" if status < 500 else "error",
            "event": "request",
            "request_id": exchange.request_id,
            "method": exchange.method,
            "route": exchange.route,
            "status": status,
            "code": exchange.code,
            "ms": round(seconds * 1000, 3),
            "texts": exchange.texts,
            "tokens": exchange.tokens,
        }
        self._lines.append(orjson.dumps(line))

    async def write_lines(self) -> None:
        """Runs until cancelled, then writes what is left."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_S)
                if self._lines:
                    await asyncio.to_thread(self._flush)
        finally:
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        # A closed pipe is no reason to stop answering.
        with contextlib.suppress(OSError, ValueError):
            self._out.write(b"\n".join(lines) + b"\n")
            self._out.flush()


class JsonFormatter(logging.Formatter):
    """Log records as JSON lines. Of an exception only its type and places: its text may quote a caller."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": record.created,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = type(record.exc_info[1]).__name__
            line["at"] = _places(record.exc_info[1])
        return orjson.dumps(line).decode()


def _places(error: BaseException) -> list[str]:
    places = []
    trace = error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-12:]
