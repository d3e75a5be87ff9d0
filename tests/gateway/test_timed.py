"""What of a call is told to its server's limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from gateway.baselines import Shape, shape_of
from gateway.domain import Priority
from gateway.errors import BackendBusy, BackendError, BackendTimeout, BackendUnavailable
from gateway.places import Room
from gateway.ports import ChatBackend
from gateway.timed import TimedChat
from gateway.urgency import Urgency, urgent


class Recording:
    """Implements Limit."""

    now = 8

    def __init__(self) -> None:
        self.told: list[Any] = []

    def answered(self, shape: Shape, crowd: int, began: float, now: float) -> None:
        self.told.append((shape, crowd, now - began))

    def dropped(self, began: float, now: float) -> None:
        self.told.append(("dropped", now - began))


class Backend:
    """Answers what it is given, a second later by the test's clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answer: bytes | Exception | None = None  # None: never
        self.pieces = [b"a", b"b"]

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        if self.answer is None:
            await asyncio.Event().wait()
        self.now += 1.0
        if isinstance(self.answer, Exception):
            raise self.answer
        return cast("bytes", self.answer)

    @asynccontextmanager
    async def stream(self, body: bytes, timeout_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        yield self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.now += 1.0
            yield piece


@pytest.fixture
def stage() -> tuple[Backend, Room, TimedChat]:
    backend, room = Backend(), Room(Recording(), 1.0)
    return backend, room, TimedChat(cast("ChatBackend", backend), room, lambda: backend.now)


Stage = tuple[Backend, Room, TimedChat]


def told(room: Room) -> list[Any]:
    assert room.calls == 0
    return cast("Recording", room.limit).told


async def test_an_answer_is_told_with_its_tokens_and_the_crowd(stage: Stage) -> None:
    backend, room, chat = stage
    room.take("ann", Priority.LIVE)
    room.take("bob", Priority.LIVE)  # whose text is being masked
    room.calls = 2  # of others
    backend.answer = b'{"choices": [], "usage": {"completion_tokens": 700}}'
    await chat.complete(b"x" * 100, 9.0)
    room.calls = 0
    assert told(room) == [(shape_of("chat", 100, 700), 3, 1.0)]


async def test_an_answer_without_usage_is_judged_by_its_length(stage: Stage) -> None:
    backend, room, chat = stage
    backend.answer = b"x" * 800
    await chat.complete(b"", 9.0)
    assert told(room) == [(shape_of("chat", 0, 100), 1, 1.0)]


@pytest.mark.parametrize("error", [BackendBusy("a"), BackendTimeout("b")])
async def test_too_much_and_too_late_are_dropped(stage: Stage, error: Exception) -> None:
    backend, room, chat = stage
    backend.answer = error
    with pytest.raises(type(error)):
        await chat.complete(b"", 9.0)
    assert told(room) == [("dropped", 1.0)]


@pytest.mark.parametrize("error", [BackendUnavailable("a"), BackendError("b")])
async def test_a_server_that_is_away_or_broken_says_nothing_of_its_limit(
    stage: Stage, error: Exception
) -> None:
    backend, room, chat = stage
    backend.answer = error
    with pytest.raises(type(error)):
        await chat.complete(b"", 9.0)
    assert told(room) == []


async def test_of_a_stream_the_first_piece_counts(stage: Stage) -> None:
    _, room, chat = stage
    async with chat.stream(b"12345", 9.0) as chunks:
        assert [chunk async for chunk in chunks] == [b"a", b"b"]
        assert room.calls == 1
    assert told(room) == [(shape_of("stream", 5, 0), 1, 1.0)]


async def test_of_a_call_that_its_caller_gave_up_nothing_is_told(stage: Stage) -> None:
    _, room, chat = stage
    loop = asyncio.get_running_loop()
    for deadline in (loop.time(), loop.time() + 3_600, None):
        with urgent(Urgency(deadline=deadline)):
            task = asyncio.create_task(chat.complete(b"", 9.0))
        while not room.calls:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told(room) == []
