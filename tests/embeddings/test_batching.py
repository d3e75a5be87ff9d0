import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.batching import Batcher, Limits
from embeddings.errors import Overloaded, ServiceError, Stopping


class Computer:
    """Answers each text by the sum of its ids; holds every batch back until it is released."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[list[int]]] = []
        self.release = threading.Event()
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        if not held:
            self.release.set()

    def __call__(self, batch: Sequence[Sequence[int]]) -> list[int]:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.batches.append([list(ids) for ids in batch])
        self.release.wait(10)
        with self._lock:
            self.at_once -= 1
        return [sum(ids) for ids in batch]


async def waits(batcher: Batcher, texts: int) -> None:
    while batcher.waiting != texts:
        await asyncio.sleep(0.001)


async def submitted(batcher: Batcher, *texts: Sequence[int]) -> "asyncio.Task[list[Any]]":
    """A request that has been queued."""
    task = asyncio.create_task(batcher.submit(texts))
    await asyncio.sleep(0)
    return task


async def test_a_lone_text_is_computed_at_once() -> None:
    batcher = Batcher(Computer(), Limits())
    assert await batcher.submit([[1, 2, 3]]) == [6]
    assert await batcher.submit([]) == []
    await batcher.close()


async def test_a_caller_keeps_of_a_result_what_it_wants() -> None:
    batcher = Batcher(Computer(), Limits())
    assert await batcher.submit([[1, 2], [4]], str) == ["3", "4"]
    await batcher.close()


async def test_what_came_while_the_core_was_busy_shares_a_batch() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(delay_s=5))
    tasks = [await submitted(batcher, [n]) for n in range(9)]
    computer.release.set()
    assert [await task for task in tasks] == [[n] for n in range(9)]
    assert [len(batch) for batch in computer.batches] == [1, 8]
    await batcher.close()


async def test_texts_of_like_length_share_a_batch() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(delay_s=5, tokens=10_000))
    first = await submitted(batcher, [0])
    mixed = await submitted(batcher, [1] * 5, [1] * 100, [1] * 16, [1] * 17, [1] * 128)
    computer.release.set()
    assert await mixed == [5, 100, 16, 17, 128]
    assert [[len(ids) for ids in batch] for batch in computer.batches] == [[1], [5, 16], [100, 128], [17]]
    await first
    await batcher.close()


@given(
    st.lists(st.lists(st.integers(1, 80), min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(1, 8),
    st.integers(8, 200),
    st.integers(1, 3),
)
@settings(deadline=None, max_examples=60)
def test_every_text_comes_back_in_its_place_and_no_batch_exceeds_the_limits(
    requests: list[list[int]], rows: int, tokens: int, threads: int
) -> None:
    computer = Computer()

    async def run() -> list[list[int]]:
        limits = Limits(rows=rows, tokens=tokens, delay_s=10, threads=threads)
        batcher = Batcher(computer, limits)
        answers = await asyncio.gather(*(batcher.submit([[1] * n for n in sizes]) for sizes in requests))
        assert batcher.waiting == 0
        await batcher.close()
        return answers

    assert asyncio.run(run()) == requests
    for batch in computer.batches:
        assert len(batch) <= rows
        assert len(batch) == 1 or max(map(len, batch)) * len(batch) <= tokens
    assert computer.most_at_once <= threads


async def test_a_request_of_many_texts_does_not_stand_in_front_of_one_of_a_single_text() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(rows=4, delay_s=5))
    bulk = await submitted(batcher, *[[n] for n in range(40)])
    single = await submitted(batcher, [1000])
    computer.release.set()
    assert await single == [1000]
    assert not bulk.done()
    assert [[1000] in batch for batch in computer.batches].index(True) <= 2
    assert await bulk == list(range(40))
    await batcher.close()


async def test_singles_that_keep_coming_do_not_starve_a_large_request() -> None:
    computer = Computer()
    batcher = Batcher(computer, Limits(rows=2, delay_s=5))
    bulk = await submitted(batcher, *[[n] for n in range(20)])

    async def keep_coming() -> None:
        while not bulk.done():
            await batcher.submit([[100]])

    await asyncio.gather(*(keep_coming() for _ in range(4)))
    assert await bulk == list(range(20))
    assert len(computer.batches) < 60
    await batcher.close()


async def test_a_free_core_may_wait_for_company() -> None:
    computer = Computer()
    batcher = Batcher(computer, Limits(rows=3, wait_s=0.05, delay_s=5))
    began = time.perf_counter()
    await asyncio.gather(batcher.submit([[1]]), batcher.submit([[2]]))
    assert time.perf_counter() - began >= 0.045
    began = time.perf_counter()
    await asyncio.gather(*(batcher.submit([[n]]) for n in range(3)))
    assert time.perf_counter() - began < 0.045  # full: nobody to wait for
    assert [len(batch) for batch in computer.batches] == [2, 3]
    await batcher.close()


async def test_a_full_queue_refuses_with_a_time_to_come_back() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(queue=3, delay_s=5))
    first = await submitted(batcher, [1])
    waiting = await submitted(batcher, [1], [2], [3])
    with pytest.raises(Overloaded) as refusal:
        await batcher.submit([[4]])
    assert refusal.value.retry_after
    computer.release.set()
    assert (await first, await waiting) == ([1], [1, 2, 3])
    assert await batcher.submit([[4]]) == [4]
    await batcher.close()


async def test_a_request_not_begun_in_time_is_shed_and_one_begun_is_finished() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(rows=1, delay_s=0.05))
    begun = await submitted(batcher, [1], [2], [3])
    late = await submitted(batcher, [7], [8])
    await asyncio.sleep(0.1)
    computer.release.set()
    with pytest.raises(Overloaded):
        await late
    assert await begun == [1, 2, 3]
    assert [[7]] not in computer.batches
    assert batcher.waiting == 0
    await batcher.close()


async def test_a_caller_who_leaves_leaves_the_queue() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(rows=1, delay_s=5))
    first = await submitted(batcher, [1])
    leaving = await submitted(batcher, [7], [8])
    staying = await submitted(batcher, [9])
    leaving.cancel()
    await waits(batcher, 1)
    computer.release.set()
    assert (await first, await staying) == ([1], [9])
    assert computer.batches == [[[1]], [[9]]]
    await batcher.close()


async def test_a_caller_who_leaves_during_the_batch_harms_nobody() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(delay_s=5))
    leaving = await submitted(batcher, [1])
    staying = await submitted(batcher, [2])
    leaving.cancel()
    computer.release.set()
    assert await staying == [2]
    await batcher.close()


async def test_a_failing_batch_fails_its_callers_only() -> None:
    def compute(batch: Sequence[Sequence[int]]) -> list[int]:
        if [13] in batch:
            raise RuntimeError("a text of somebody")
        return [sum(ids) for ids in batch]

    batcher = Batcher(compute, Limits(rows=1, delay_s=5))
    bad, good = await submitted(batcher, [1], [13], [2]), await submitted(batcher, [3])
    with pytest.raises(ServiceError) as failure:
        await bad
    assert "somebody" not in str(failure.value)
    assert await good == [3]
    assert batcher.waiting == 0
    await batcher.close()


async def test_stopping_finishes_what_waits_and_takes_no_more() -> None:
    computer = Computer(held=True)
    batcher = Batcher(computer, Limits(rows=1, wait_s=60, delay_s=5))
    tasks = [await submitted(batcher, [n]) for n in range(4)]
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0.02)
    with pytest.raises(Stopping):
        await batcher.submit([[5]])
    computer.release.set()
    await closing
    assert [task.result() for task in tasks] == [[0], [1], [2], [3]]
