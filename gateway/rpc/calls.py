"""One call as it becomes known, and what is told of it: never a message, a key or a caller's word."""

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.message import Message
from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.domain import Caller, Quota, Usage
from gateway.errors import Code, InvalidRequest
from gateway.records import Once

# As over HTTP, and on to the minutes that a watched training takes.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
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


class Account(Protocol):
    """Where both doors tell what they did."""

    registry: CollectorRegistry

    def consumed(self, usage: Usage, masked: Mapping[str, int]) -> None:
        """Counts tokens, and distinct masked values by kind."""

    def tell(self, line: Mapping[str, object]) -> None:
        """Writes a line of JSON soon."""


class CallLog:
    """Counts calls and writes their lines. One for a registry."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._calls = Counter(
            "gateway_rpc_calls",
            "gRPC calls answered.",
            ("method", "status", "code"),
            registry=account.registry,
        )
        self._seconds = Histogram(
            "gateway_rpc_seconds",
            "From a gRPC call's head to its status.",
            ("method",),
            buckets=_BUCKETS,
            registry=account.registry,
        )

    def done(self, call: Call) -> None:
        """Takes the account of a call that is over."""
        seconds = time.perf_counter() - call.started
        self._calls.labels(call.method, call.status, call.code.value if call.code else "").inc()
        self._seconds.labels(call.method).observe(seconds)
        self._account.consumed(call.usage, call.masked)
        self._account.tell(
            {
                "ts": time.time(),
                "level": "error" if call.status in ("INTERNAL", "UNAVAILABLE") else "info",
                "event": "call",
                "request_id": call.request_id,
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
