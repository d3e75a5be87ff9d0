"""Grades the items of batches, a few at a time: interactive requests come first.

Each process has one; they share the store's queue. An item belongs to a process for as long as that renews
its lease, so what a killed process has left behind is graded by another one, or by its successor.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from gateway.batch.answering import answer_of, outcome_of_work
from gateway.batch.patience import PASSING, Patience, patiently
from gateway.batch.queue import Leased, Queue, Results
from gateway.batch.rows import Answer, Failure
from gateway.domain import Caller, Priority
from gateway.errors import GatewayError
from gateway.ledger import Sheet
from gateway.records import Graded
from gateway.tasks import ended
from gateway.urgency import Urgency, urgent

log = logging.getLogger(__name__)


class GradesSheets(Protocol):
    """The gateway's line from the grader on."""

    async def grade_sheet(self, sheet: Sheet, grader: str) -> Graded:
        """The grade of a masked submission, with placeholders in its texts."""


@dataclass(frozen=True, slots=True)
class Pace:
    concurrency: int = 4  # items at once; 0: this process only takes batches in
    lease_s: float = 60.0
    poll_s: float = 1.0  # how soon work is seen that another process took in
    sweep_s: float = 10.0
    pause_s: float = 30.0  # before an item is taken up again that a server was down for
    keep_s: float = 30 * 86_400.0  # batches that are over
    patience: Patience = field(default_factory=lambda: Patience(total_s=60.0))


class Runner:
    def __init__(
        self,
        queue: Queue,
        results: Results,
        line: GradesSheets,
        pace: Pace,
        again: Callable[[], None] = lambda: None,
    ) -> None:
        """`again` is called whenever an item is tried once more."""
        self._again = again
        self._queue = queue
        self._results = results
        self._line = line
        self._pace = pace
        self._owner = uuid.uuid4().hex
        self._under_way: dict[asyncio.Task[None], Leased] = {}
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Inside the running loop."""
        if self._pace.concurrency:
            self._tasks = [
                asyncio.create_task(self._for_ever(self._feed), name="batches"),
                asyncio.create_task(self._for_ever(self._renew), name="batch leases"),
                asyncio.create_task(self._for_ever(self._sweep), name="batch sweep"),
            ]

    def wake(self) -> None:
        """There is work."""
        self._woken.set()

    async def close(self, drain_s: float = 10.0) -> None:
        """Begins nothing more; what is under way gets `drain_s` seconds and is then left to others."""
        for task in self._tasks[:1]:  # that begins items; leases are renewed until all of them have ended
            await ended(task)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=drain_s)
        for task in (*self._under_way, *self._tasks):
            await ended(task)
        with suppress(GatewayError):
            await self._queue.give_back(None, self._owner, 0.0)

    async def _for_ever(self, step: Callable[[], Awaitable[None]]) -> None:
        """A store that is down is waited for."""
        while True:
            try:
                await step()
            except GatewayError as error:
                log.warning("batches wait for the store: %s", error.code.value)
                await asyncio.sleep(self._pace.poll_s)

    async def _feed(self) -> None:
        self._woken.clear()
        free = self._pace.concurrency - len(self._under_way)
        leased = await self._queue.lease(self._owner, free, self._pace.lease_s) if free else []
        for one in leased:
            task = asyncio.create_task(self._grade(one), name="batch item")
            self._under_way[task] = one
            task.add_done_callback(self._over)
        if len(leased) < free or not free:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.poll_s):
                    await self._woken.wait()

    async def _renew(self) -> None:
        await asyncio.sleep(self._pace.lease_s / 3)
        if self._under_way:
            await self._queue.renew(self._owner, self._pace.lease_s)

    async def _sweep(self) -> None:
        await self._results.sweep(self._pace.keep_s)
        await asyncio.sleep(self._pace.sweep_s)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._woken.set()

    async def _grade(self, leased: Leased) -> None:
        outcome = await outcome_of_work(lambda: self._answer(leased), self._pace.patience, self._again)
        # A store that stays away takes the lease with it: the item is then graded again, from the ledger.
        with suppress(GatewayError):
            if isinstance(outcome, Failure) and outcome.code in PASSING:
                await self._queue.give_back(leased, self._owner, self._pace.pause_s)
                self._again()
            else:
                await patiently(lambda: self._queue.end(leased, self._owner, outcome), self._pace.patience)

    async def _answer(self, leased: Leased) -> Answer:
        caller = Caller(leased.key_id, leased.role, requests_per_minute=1)
        item = leased.item
        sheet = Sheet(caller, item.submission, item.nonce, item.stored_rubric)
        with urgent(Urgency(Priority.BATCH)):
            return answer_of(await self._line.grade_sheet(sheet, item.grader))
