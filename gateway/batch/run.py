"""Rows through an engine into the journal, a bounded number at once, until all are done or a stop."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from gateway.batch.answering import Answering
from gateway.batch.journal import Journal
from gateway.batch.rows import Fault, Outcome, Row

_SYNC_S, _SYNC_ROWS = 0.5, 100  # about so much is asked again after a kill
_READ = 256  # rows read in one go on a thread

T = TypeVar("T")


class Engine(Protocol):
    """Where rows are answered."""

    @property
    def lanes(self) -> int:
        """Blocks under way at once."""

    @property
    def block(self) -> int:
        """Rows that go together, at most."""

    async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        """An outcome for each row, in order. Raises only when it can answer no row any more."""


@dataclass(frozen=True, slots=True)
class Local:
    """In this process, row by row."""

    answering: Answering
    lanes: int
    block: int = 1

    async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        return [await self.answering.outcome(row) for row in rows]


class Run:
    """`rows`: the whole input; what the journal has is passed over. After `stopping` no row is begun, and
    those under way get `drain_s` seconds."""

    def __init__(
        self,
        rows: Iterator[Row | Fault],
        journal: Journal,
        engine: Engine,
        stopping: asyncio.Event,
        drain_s: float = 10.0,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._stopping = stopping
        self._drain_s = drain_s
        self._todo = (row for row in rows if isinstance(row, Row) and not journal.has(row.index))
        self._ahead: deque[Row] = deque()
        self._ended = False
        self._reading = asyncio.Lock()
        self._sync_now = asyncio.Event()

    async def finished(self) -> bool:
        """Whether every row is done. What is done is on disk, however this ends. Raises what the engine
        raises, and OSError of the input or the journal."""
        working = asyncio.create_task(self._work(), name="rows")
        syncing = asyncio.create_task(self._sync(), name="journal")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        tasks = (working, syncing, stopping)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await asyncio.wait((working, syncing), timeout=self._drain_s, return_when="FIRST_COMPLETED")
            if syncing.done():
                await syncing
            if working.done():
                await working
            return working.done() and self._ended and not self._ahead
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._journal.sync)

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(self._engine.lanes):
                    lanes.create_task(self._lane())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _lane(self) -> None:
        while not self._stopping.is_set() and (block := await self._next_block()):
            for row, outcome in zip(block, await self._engine.answer(block), strict=True):
                self._journal.add(row.index, row.id, outcome)
            if self._journal.waiting >= _SYNC_ROWS:
                self._sync_now.set()

    async def _next_block(self) -> list[Row]:
        """The next rows that are not done, none at the input's end."""
        async with self._reading:
            if not self._ended and len(self._ahead) < self._engine.block:
                # Shielded: the generator may not be left running on a thread by a lane that is cancelled.
                read = await _whole(asyncio.to_thread(lambda: list(islice(self._todo, _READ))))
                self._ended = len(read) < _READ
                self._ahead.extend(read)
            return [self._ahead.popleft() for _ in range(min(self._engine.block, len(self._ahead)))]

    async def _sync(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SYNC_S):
                    await self._sync_now.wait()
            self._sync_now.clear()
            if self._journal.waiting:
                await asyncio.to_thread(self._journal.sync)


async def _whole(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; when the caller is cancelled, not before `work` has ended."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
