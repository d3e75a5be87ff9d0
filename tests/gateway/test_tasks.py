"""Tasks side by side."""

import asyncio

import pytest

from gateway.errors import NotFound
from gateway.tasks import each_of


async def test_results_stand_in_order_and_so_many_are_under_way() -> None:
    under_way = most = 0

    async def work(item: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(10 - item):  # the last ends first
            await asyncio.sleep(0)
        under_way -= 1
        return item * item

    assert await each_of(range(10), work, 3) == [item * item for item in range(10)]
    assert most == 3
    assert await each_of([], work, 3) == []


async def test_the_first_failure_ends_the_rest_and_begins_nothing_more() -> None:
    begun, ended = [], []

    async def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise NotFound("gone")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    with pytest.raises(NotFound):
        await each_of(range(10), work, 2)
    assert (begun, ended) == ([0, 1], [0])
