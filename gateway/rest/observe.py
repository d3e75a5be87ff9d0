"""What is told of a request: one JSON line and a few counters. Never a body, a query or a key.

Lines are gathered and written by a thread every fifth of a second: a full pipe must not stop the event loop.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.domain import KINDS, OPTIONAL_KINDS, Caller, Quota, Usage
from gateway.errors import Code
from gateway.records import Graded
from gateway.rest.routes import template
from gateway.reviews import GraderAgreement

_FLUSH_S = 0.2
_MAX_LINES = 50_000  # waiting at once; more are counted and dropped
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60)
_MOST_AGREEMENTS = 100  # label sets of the agreement metric: rubrics are named by callers


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
    usage: Usage = field(default_factory=Usage)
    client_left: bool = False
    over: bool = False  # its last byte was sent, or its account was taken


class Observer:
    """Counts exchanges and writes their lines to `out`."""

    def __init__(self, in_flight: Callable[[], float], out: BinaryIO = sys.stdout.buffer) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gateway_requests", "Requests answered.", ("route", "status", "code"), registry=self.registry
        )
        self._seconds = Histogram(
            "gateway_request_seconds",
            "From the request's head to the last byte of its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._tokens = Counter(
            "gateway_tokens", "Tokens as the model server counts.", ("kind",), registry=self.registry
        )
        self._prompt_tokens = self._tokens.labels("prompt")
        self._completion_tokens = self._tokens.labels("completion")
        self._masked = Counter(
            "gateway_masked_values",
            "Distinct personal values replaced in requests.",
            ("kind",),
            registry=self.registry,
        )
        for kind in sorted(KINDS | OPTIONAL_KINDS):
            self._masked.labels(kind)  # a kind that was not met yet is 0, so its first rise is seen as one
        self._fallbacks = Counter(
            "gateway_grade_fallbacks",
            "Grades by another grader than the one asked for.",
            ("from", "to"),
            registry=self.registry,
        )
        self._grades = Counter(
            "gateway_grades",
            "Grades answered.",
            ("grader", "cached", "needs_review"),
            registry=self.registry,
        )
        self._reasons = Counter(
            "gateway_review_reasons",
            "Reasons for a person to look at a grade.",
            ("reason",),
            registry=self.registry,
        )
        self._agreement = Gauge(
            "gateway_agreement",
            "Of grades with people's corrections, as last asked for at /v1/reviews/agreement.",
            ("rubric", "grader", "model", "measure"),
            registry=self.registry,
        )
        self._lost = Counter(
            "gateway_log_lines_lost", "Log lines dropped, none could be written.", registry=self.registry
        )
        places = Gauge("gateway_in_flight", "Requests at the model server now.", registry=self.registry)
        places.set_function(in_flight)
        # labels() takes a lock and a dictionary walk for each call; the children are few.
        self._children: dict[tuple[str, int, Code | None], tuple[Counter, Histogram]] = {}
        self._out = out
        self._lines: list[bytes] = []

    def done(self, exchange: Exchange) -> None:
        """Takes the account of a finished exchange."""
        exchange.over = True
        status = 499 if exchange.client_left else exchange.status
        seconds = time.perf_counter() - exchange.started
        route = template(exchange.path)
        key = (route, status, exchange.code)
        children = self._children.get(key)
        if children is None:
            label = exchange.code.value if exchange.code else ""
            children = self._requests.labels(route, str(status), label), self._seconds.labels(route)
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)
        self.consumed(exchange.usage, exchange.masked)
        self._write(exchange, route, status, seconds)

    def consumed(self, usage: Usage, masked: Mapping[str, int]) -> None:
        """Counts a request's tokens, and its distinct masked values by kind."""
        if usage.prompt_tokens:
            self._prompt_tokens.inc(usage.prompt_tokens)
            self._completion_tokens.inc(usage.completion_tokens)
        for kind, count in masked.items():
            self._masked.labels(kind).inc(count)

    def graded(self, asked: str, graded: Graded) -> None:
        """Counts a grade that is about to be answered; `asked` is the grader of the path."""
        grade = graded.grade
        cached, review = str(graded.cached).lower(), str(bool(grade.review_reasons)).lower()
        self._grades.labels(grade.grader, cached, review).inc()
        for reason in grade.review_reasons:
            self._reasons.labels(reason).inc()
        if "fallback" in grade.review_reasons:
            self._fallbacks.labels(asked, grade.grader).inc()

    def agreed(self, found: Sequence[GraderAgreement]) -> None:
        """Shows how graders agree with people; what is no longer found is no longer shown."""
        self._agreement.clear()
        for one in found[:_MOST_AGREEMENTS]:
            overall = one.agreement.overall
            measures = {
                "qwk": overall.kappa,
                "exact": overall.exact,
                "mae": overall.mae,
                "bias": overall.bias,
            }
            for measure, figure in measures.items():
                if figure is not None:
                    self._agreement.labels(one.rubric, one.grader, one.model, measure).set(figure.value)

    def _write(self, exchange: Exchange, route: str, status: int, seconds: float) -> None:
        line = {
            "ts": time.time(),
            "level": "info" if status < 500 else "error",
            "event": "request",
            "request_id": exchange.request_id,
            "key_id": exchange.caller.key_id if exchange.caller else None,
            "method": exchange.method,
            "route": route,
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
        """Writes a line of JSON soon."""
        if len(self._lines) >= _MAX_LINES:
            self._lost.inc()
            return
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
