"""The ports to models, with every call's time told to its server's limit: of the call alone, neither of
masking nor of the store.

Of a stream the time to its first piece counts: how fast the rest is read is the reader's doing.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from gateway.baselines import shape_of
from gateway.domain import Classification, Comparison, Estimate, ServedModel
from gateway.errors import BackendBusy, BackendTimeout
from gateway.places import Room
from gateway.ports import ChatBackend, Embedder

_TOKENS = re.compile(rb'"completion_tokens":\s*(\d{1,9})')
_TAIL_BYTES = 1_024  # of an answer; its usage stands there
_TURNS = 2.0  # of the loop: one until an answer is read, one until whoever waits for it goes on
_BYTES_PER_TOKEN = 8  # of an answer that tells no usage

Clock = Callable[[], float]


class TimedChat:
    """Implements ChatBackend over another one."""

    def __init__(self, backend: ChatBackend, room: Room, clock: Clock = time.monotonic) -> None:
        self._backend = backend
        self._room = room
        self._clock = clock

    async def served_model(self) -> ServedModel:
        return await self._backend.served_model()

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        with _Call(self._room, self._clock, "chat", len(body)) as call:
            answer = await self._backend.complete(body, timeout_s)
            call.answered(_completion_tokens(answer))
            return answer

    @asynccontextmanager
    async def stream(self, body: bytes, timeout_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        with _Call(self._room, self._clock, "stream", len(body)) as call:
            async with self._backend.stream(body, timeout_s) as chunks:
                yield _timed(chunks, call)

    async def count_tokens(self, messages: Sequence[dict[str, Any]], timeout_s: float) -> int:
        return await self._backend.count_tokens(messages, timeout_s)


class TimedEmbedder:
    """Implements Embedder over another one."""

    def __init__(self, embedder: Embedder, room: Room, clock: Clock = time.monotonic) -> None:
        self._embedder = embedder
        self._room = room
        self._clock = clock

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        with _Call(self._room, self._clock, "embed", sum(map(len, texts))) as call:
            vectors, tokens = await self._embedder.embed(texts, timeout_s, model)
            call.answered(tokens)
            return vectors, tokens

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        with _Call(self._room, self._clock, model.name, sum(map(len, texts))) as call:
            found = await self._embedder.classify(model, texts, timeout_s)
            call.answered(len(texts))
            return found

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        size = sum(len(one.submission) + sum(map(len, one.references)) for one in comparisons)
        with _Call(self._room, self._clock, model.name, size) as call:
            found = await self._embedder.estimate(model, comparisons, timeout_s)
            call.answered(len(comparisons))
            return found

    async def models(self) -> list[ServedModel]:
        return await self._embedder.models()


class _Call:
    """One call, told once: by its answer, or by the error that it ended with."""

    __slots__ = ("_began", "_clock", "_crowd", "_operation", "_room", "_size", "_told", "_turn_s")

    def __init__(self, room: Room, clock: Clock, operation: str, size: int) -> None:
        self._room = room
        self._clock = clock
        self._operation = operation
        self._size = size
        self._told = False

    def answered(self, tokens: int) -> None:
        if not self._told:
            self._told = True
            shape = shape_of(self._operation, self._size, tokens)
            now = self._clock()
            self._room.limit.answered(shape, self._crowd, min(self._began + _TURNS * self._turn_s, now), now)

    def __enter__(self) -> "_Call":
        self._room.calls += 1
        self._crowd = self._room.crowd
        self._began = self._clock()
        self._turn_s = 0.0
        # A full loop is slow by itself, which is not the server's doing: before an answer of 0.2 ms was read,
        # 64 callers at once made it 12, and the limit fell to 4.
        asyncio.get_running_loop().call_soon(self._turned)
        return self

    def _turned(self) -> None:
        """The loop has gone round once since the call began."""
        self._turn_s = self._clock() - self._began

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.calls -= 1
        if self._told or error is None:
            return
        # A call that its caller gave up says nothing: whoever waits for as short as it likes could move the
        # limit of all.
        if isinstance(error, BackendBusy | BackendTimeout):
            self._room.limit.dropped(self._began, self._clock())


async def _timed(chunks: AsyncIterator[bytes], call: _Call) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        call.answered(0)
        yield chunk


def _completion_tokens(answer: bytes) -> int:
    found = _TOKENS.search(answer, max(0, len(answer) - _TAIL_BYTES))
    return int(found[1]) if found else len(answer) // _BYTES_PER_TOKEN
