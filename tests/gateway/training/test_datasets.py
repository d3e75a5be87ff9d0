"""The desk of data sets: what one key may take of the places for uploads."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain import Caller, Role
from gateway.errors import InvalidDataset, RateLimited
from gateway.training.datasets import DatasetDesk
from gateway.training.facts import Table, TableFormat
from gateway.training.ports import Received
from tests.gateway.training.conftest import TRAINER, Room

OTHER = Caller("bob", Role.TRAINER, 1000)


class NoTables:
    """DatasetFiles that take every file in and find no table in it."""

    async def receive(self, chunks: AsyncIterator[bytes]) -> Received:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        return Received(Path("upload"), "ab", size)

    async def check(self, received: Received, form: TableFormat, target: str | None) -> Table:
        raise InvalidDataset("The file is empty.")

    async def keep(self, received: Received, file: Path) -> None:
        raise AssertionError

    async def discard(self, received: Received) -> None:
        pass

    async def take_back(self, file: Path) -> None:
        raise AssertionError


class Slow:
    """Files whose ends have not come yet."""

    def __init__(self, desk: DatasetDesk) -> None:
        self._desk = desk
        self._end = asyncio.Event()

    async def begin(self, caller: Caller) -> "asyncio.Task[object]":
        begun = asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            begun.set()
            yield b"amount"
            await self._end.wait()

        task = asyncio.create_task(upload(self._desk, caller, chunks()))
        await asyncio.wait_for(begun.wait(), 30)
        return task

    def end(self) -> None:
        self._end.set()


async def at_once() -> AsyncIterator[bytes]:
    yield b"amount"


async def upload(desk: DatasetDesk, caller: Caller, chunks: AsyncIterator[bytes]) -> object:
    return await desk.upload(caller, "pay", TableFormat.CSV, None, chunks)


async def test_a_key_has_two_uploads_at_once_and_leaves_the_others_theirs(room: Room) -> None:
    desk = DatasetDesk(room.datasets, NoTables())
    slow = Slow(desk)
    held = [await slow.begin(TRAINER) for _ in range(2)]
    with pytest.raises(RateLimited) as refused:
        await upload(desk, TRAINER, at_once())
    assert refused.value.retry_after
    with pytest.raises(InvalidDataset):
        await upload(desk, OTHER, at_once())
    slow.end()
    await asyncio.gather(*held, return_exceptions=True)


async def test_an_upload_that_ends_or_is_left_gives_its_place_back(room: Room) -> None:
    desk = DatasetDesk(room.datasets, NoTables())
    for _ in range(2):
        slow = Slow(desk)
        left, refused = [await slow.begin(TRAINER) for _ in range(2)]
        left.cancel()
        slow.end()
        ends = await asyncio.gather(left, refused, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError, InvalidDataset]
