"""Traces: who asked whom while a request was answered, and how long each took. Never what was said.

Here is what everybody tells them, and what it comes to where nobody keeps any: nothing. Where a collector is
configured, otlp.py keeps them.
"""

import asyncio
import importlib
from collections.abc import Mapping
from typing import Protocol

Told = Mapping[str, str | int | float | bool]  # attributes: names of ours, values of ours or bounded


class Span(Protocol):
    """A stretch of work; `with` it for as long as it lasts."""

    @property
    def trace_id(self) -> str | None:
        """32 hex digits; None where nobody keeps traces."""

    @property
    def kept(self) -> bool:
        """Whether it is worth the while to find out more for it."""

    def tell(self, told: Told, /) -> None:
        """More about it."""

    def fail(self, error: str, /) -> None:
        """It came to nothing: an error's code."""

    def __enter__(self) -> "Span": ...

    def __exit__(self, *_: object) -> None: ...


class Traces(Protocol):
    """Never raises and never waits."""

    def request(self, name: str, told: Told, traceparent: str | None, began: float | None = None, /) -> Span:
        """What a caller who was let in asked for. It belongs to the caller's own trace where `traceparent` is
        one, and then it is theirs to say whether it is kept. `began`: time.perf_counter() at its head, or
        None for now."""

    def work(self, name: str, /) -> Span:
        """What the gateway does without a caller; a trace of its own."""

    def call(self, name: str, told: Told, /) -> Span:
        """Somebody else is asked. Inside a span only: nobody looks for a call that nothing led to."""

    def step(self, name: str, told: Told, /) -> Span:
        """A part of the work that is done in this process. Inside a span only."""

    def headers(self) -> Mapping[str, str]:
        """What is sent along with a request to somebody else, so that they go on with the trace."""

    async def close(self) -> None:
        """Sends what is left, for at most some seconds."""


class _NoSpan:
    trace_id = None
    kept = False

    def tell(self, *_: object) -> None:
        pass

    def fail(self, *_: object) -> None:
        pass

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _NoTraces:
    """Implements Traces: keeps none."""

    def request(self, *_: object) -> Span:
        return NO_SPAN

    work = call = step = request

    def headers(self) -> Mapping[str, str]:
        return {}

    async def close(self) -> None:
        pass


NO_SPAN: Span = _NoSpan()
NO_TRACES: Traces = _NoTraces()


async def opened(endpoint: str, service: str, version: str, share: float) -> Traces:
    """Traces to the collector at `endpoint`, of that share of requests; none without one."""
    if not endpoint:
        return NO_TRACES
    # Heavy, 0.3 s in a thread, and not there for a gateway that keeps no traces.
    module = await asyncio.to_thread(importlib.import_module, "gateway.adapters.otlp")
    kept: Traces = module.OtlpTraces(endpoint, service, version, share)
    return kept
