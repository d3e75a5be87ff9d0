"""One call as it becomes known, and what is told of it: never a message, a key or a caller's word."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.message import Message

from gateway.adapters.metrics import Metrics
from gateway.adapters.tracing import NO_SPAN, Span, Traces
from gateway.domain import Caller, Quota, Usage
from gateway.errors import Code, InvalidRequest
from gateway.records import Once

# Of a server's span; every other status is the caller's own doing.
_FAILED = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_KEY = re.compile(r"[ -~]{1,255}")


@dataclass(slots=True)
class Call:
    """What a procedure learns of its call, and what is told of it afterwards."""

    request_id: str
    method: str  # /package.Service/Method when it is one of ours
    metadata: Mapping[str, str] = field(repr=False)
    started: float = field(default_factory=time.perf_counter)
    admitted: Caller | None = None
    quota: Quota | None = None
    status: str = "CANCELLED"  # until an answer was sent
    code: Code | None = None
    stream: bool = False
    masked: Mapping[str, int] = field(default_factory=dict)  # distinct values, by kind
    usage: Usage = field(default_factory=Usage)
    span: Span = NO_SPAN  # once its caller was let in
    spans: ExitStack = field(default_factory=ExitStack, repr=False)  # what ends with it

    @property
    def caller(self) -> Caller:
        assert self.admitted is not None  # noqa: S101 - the door admits before it calls
        return self.admitted

    def once(self, what: str, asked: Message) -> Once | None:
        """The wish to be answered once, by the metadata `idempotency-key`; `what` is asked with `asked`.
        Raises InvalidRequest."""
        key = self.metadata.get("idempotency-key")
        if key is None:
            return None
        if not _KEY.fullmatch(key):
            raise InvalidRequest("'idempotency-key' must have 1 to 255 characters.", param="idempotency-key")
        # The key is a caller's own text: only its hash is kept. A map's order on the wire may vary.
        told = hashlib.sha256(what.encode() + b"\0" + asked.SerializeToString(deterministic=True))
        return Once(hashlib.sha256(key.encode()).hexdigest(), told.hexdigest())


class Lines(Protocol):
    """Where both doors write."""

    def tell(self, line: Mapping[str, object]) -> None:
        """Writes a line of JSON soon."""


class CallLog:
    """Tells metrics and traces of calls, and writes their lines."""

    def __init__(self, metrics: Metrics, traces: Traces, lines: Lines) -> None:
        self._metrics = metrics
        self._traces = traces
        self._lines = lines

    @contextmanager
    def watching(self, call: Call) -> Iterator[None]:
        """For as long as a call lasts; takes the account of it then."""
        with call.spans:
            try:
                yield
            finally:
                call.span.tell({"rpc.response.status_code": call.status})
                if call.status in _FAILED:
                    call.span.fail(call.code or call.status)
                self._done(call)

    def let_in(self, call: Call) -> None:
        """Its caller was: now it has a span, as of its head. Whoever has no key makes none."""
        # https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
        name = call.method.removeprefix("/")
        told = {"rpc.system.name": "grpc", "rpc.method": name, "gateway.request_id": call.request_id}
        span = self._traces.request(name, told, call.metadata.get("traceparent"), call.started)
        call.span = call.spans.enter_context(span)

    def _done(self, call: Call) -> None:
        seconds = time.perf_counter() - call.started
        self._metrics.called(call.method, call.status, call.code, seconds)
        if call.code is not None:
            key_id = call.admitted.key_id if call.admitted else None
            self._metrics.refused(key_id, call.method, call.code)
        self._metrics.consumed(call.usage)
        self._metrics.masked(call.masked)
        self._lines.tell(
            {
                "ts": time.time(),
                "level": "error" if call.status in ("INTERNAL", "UNAVAILABLE") else "info",
                "event": "call",
                "request_id": call.request_id,
                "trace_id": call.span.trace_id,
                "key_id": call.admitted.key_id if call.admitted else None,
                "method": call.method,
                "status": call.status,
                "code": call.code,
                "ms": round(seconds * 1000, 3),
                "stream": call.stream,
                "masked": sum(call.masked.values()),
                "masked_kinds": call.masked,
                "prompt_tokens": call.usage.prompt_tokens,
                "completion_tokens": call.usage.completion_tokens,
            }
        )
