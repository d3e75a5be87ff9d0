"""A check that anybody may ask for and that is made seldom: does the model answer, is a text masked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import orjson

from gateway.domain import MaskingPolicy, Passage
from gateway.errors import BackendError, BackendTimeout, BackendUnavailable, GatewayError
from gateway.ports import Analyzer, ChatBackend

_FRESH_S = 2.0
_TIMEOUT_S = 10.0
_RECENTLY_S = 10.0
_ALIVE_S = 2.0
# With a schema: the first one costs the model server seconds, which no grade should pay.
_QUESTION = {
    "messages": [{"role": "user", "content": "."}],
    "max_tokens": 1,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "ready", "schema": {"type": "object", "properties": {}}},
    },
}


class LiveBackend(ChatBackend, Protocol):
    def at_work(self, within_s: float) -> bool:
        """Whether it has answered, and did so a moment ago or is being asked."""

    async def alive(self, within_s: float) -> None:
        """Returns when a server that is not left alone says that it is well."""


class Answering:
    """Whether the model and masking answer. Give it ports that keep no account: nobody's request fails here.
    Without an `analyzer` nothing is masked.

    A model that callers get answers from is not asked for a token as well: under load the token is slow, and
    a gateway that is busy would be taken for one that is not ready."""

    def __init__(self, analyzer: Analyzer | None, policy: MaskingPolicy, backend: LiveBackend) -> None:
        self._analyzer = analyzer
        self._policy = policy
        self._backend = backend

    async def __call__(self) -> None:
        if self._analyzer is not None:
            # Never the same words: what was found in a text before is remembered.
            await self._analyzer.analyze([Passage(f"ready? {time.monotonic_ns()}")], self._policy)
        await self._backend.alive(_ALIVE_S)  # of one that is silent the token is not waited for
        if self._backend.at_work(_RECENTLY_S):
            return
        model = await self._backend.served_model()
        question = orjson.dumps({"model": model.name, **_QUESTION})
        await self._backend.complete(question, _TIMEOUT_S)


class Readiness:
    """Only one check runs at a time, and its outcome, good or bad, is believed for a few seconds."""

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check = check
        self._checked_until = 0.0
        self._fault: GatewayError | None = None
        self._lock = asyncio.Lock()

    async def confirm(self) -> None:
        """Returns when the check passed just now or a moment ago; raises what it raised."""
        async with self._lock:
            if time.monotonic() >= self._checked_until:
                self._fault = await self._outcome()
                self._checked_until = time.monotonic() + _FRESH_S
            if self._fault:
                raise self._fault.with_traceback(None)  # raised again and again, it would grow

    async def _outcome(self) -> GatewayError | None:
        try:
            await self._check()
        except (BackendTimeout, BackendError) as fault:
            return BackendUnavailable(fault.message, retry_after=_FRESH_S)  # 503, as of every other reason
        except GatewayError as fault:
            return fault
        return None
