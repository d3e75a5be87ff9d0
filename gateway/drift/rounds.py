"""The worker's comparisons: what is due is queued, leased, compared and told; what is old goes."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gateway.drift.facts import Compared, Comparison, DriftRun, RunState
from gateway.drift.ports import DriftEngine, DriftFailed, DriftQueue, Reports, TrafficLog
from gateway.errors import GatewayError, NotFound
from gateway.tasks import ended

log = logging.getLogger(__name__)

FEWEST_ROWS = 100  # on either side; with fewer nothing can be said
_SCHEDULE_S = 10.0  # how soon a run that is due by schedule is queued
_TIDY_S = 3600.0
_TIDY_TIMEOUT_S = 600.0
_UNUSED = timedelta(days=1)  # then a report of no run is nobody's who is still at work


@dataclass(frozen=True, slots=True)
class Terms:
    every_s: float  # between two comparisons of a model by schedule; 0: on demand only
    window_s: float  # of traffic that is compared by schedule
    keep: timedelta  # traffic and reports, not references and figures
    lease_s: float = 60.0
    most_rows: int = 2000  # of a window that are read


class _Lost(Exception):
    """The lease ran out, because this process stood still, and another worker has the run."""


class Rounds:
    def __init__(
        self,
        queue: DriftQueue,
        traffic: TrafficLog,
        reports: Reports,
        engine: DriftEngine,
        owner: str,
        terms: Terms,
    ) -> None:
        self._queue = queue
        self._traffic = traffic
        self._reports = reports
        self._engine = engine
        self._owner = owner
        self._terms = terms
        self._scheduled_at = self._tidied_at = -float("inf")  # by the monotonic clock

    async def step(self) -> bool:
        """Does what is due next; False: nothing is. Raises GatewayError when the store is down: what was
        begun is left to its lease."""
        await self._schedule()
        run = await self._queue.lease(self._owner, self._terms.lease_s)
        if run is None:
            return False
        try:
            over = await self._kept(run)
        except asyncio.CancelledError:  # the worker closes
            with suppress(GatewayError):
                await self._queue.give_back(run.id, self._owner)
            raise
        except _Lost:
            over = None
        if over is None or not await self._queue.finish(over, self._owner):
            log.warning("a comparison was lost to another worker")
        return True

    async def tidy(self) -> bool:
        """Deletes what is old, once an hour; a step of its own, for as long as the place of the reports hangs
        comparisons go on. What fails is tried again an hour later. Raises GatewayError; False: nothing is
        left to do now."""
        now = time.monotonic()
        if now - self._tidied_at < _TIDY_S:
            return False
        self._tidied_at = now
        try:
            async with asyncio.timeout(_TIDY_TIMEOUT_S):
                await self._tidied(datetime.now(UTC))
        except TimeoutError:
            log.warning("tidying up after drift takes longer than it may")
        return False

    async def _schedule(self) -> None:
        now = time.monotonic()
        if self._terms.every_s and now - self._scheduled_at >= min(_SCHEDULE_S, self._terms.every_s):
            self._scheduled_at = now
            await self._queue.schedule(self._terms.every_s, self._terms.window_s)

    async def _kept(self, run: DriftRun) -> DriftRun:
        """The run, over; its lease is renewed meanwhile. Raises _Lost."""
        work = asyncio.create_task(self._over(run), name="comparison")
        try:
            while not (await asyncio.wait([work], timeout=self._terms.lease_s / 3))[0]:
                with suppress(GatewayError):  # the store is down: the lease may last until it is back
                    if not await self._queue.renew(run.id, self._owner, self._terms.lease_s):
                        raise _Lost
            return work.result()
        finally:
            if not work.done():
                await ended(work)

    async def _over(self, run: DriftRun) -> DriftRun:
        try:
            return await self._compared(run)
        except DriftFailed as error:
            return _ended(run, RunState.FAILED, str(error))
        except NotFound:
            return _ended(run, RunState.FAILED, "The reference is gone.")
        except GatewayError:
            raise
        except Exception:
            # The last line of defence: the run says so, the log where.
            log.exception("a comparison failed unexpectedly")
            return _ended(run, RunState.FAILED, "The worker failed.")

    async def _compared(self, run: DriftRun) -> DriftRun:
        reference = await self._traffic.read_reference(run.reference_id)
        rows, current = await self._traffic.read(run.model, run.window, self._terms.most_rows)
        run = replace(run, rows=rows, reference_rows=len(reference))
        if min(len(reference), len(current)) < FEWEST_ROWS:
            return _ended(run, RunState.SKIPPED)
        found = await self._engine.compare(Comparison(run.model, tuple(reference), tuple(current)))
        for column, reason in found.notes.items():
            log.info("drift of %s is not compared: %s", column, reason)
        run = replace(run, drifted=found.drifted, columns=found.columns, report=await self._report(found))
        return _ended(run, RunState.SUCCEEDED)

    async def _report(self, found: Compared) -> str | None:
        """The figures are worth more than their picture: where it cannot be kept, there is none."""
        try:
            return await self._reports.put(found.html)
        except GatewayError as error:
            log.warning("a drift report could not be kept: %s", error.code.value)
            return None

    async def _tidied(self, today: datetime) -> None:
        await self._traffic.prune(today - self._terms.keep)
        old = set(await self._reports.put_before(today - self._terms.keep))
        aged = set(await self._reports.put_before(today - _UNUSED))
        used = await self._queue.reports_in_use()
        for report in old | (aged - used):
            if report in used:  # nobody is shown a way to what is gone
                await self._queue.forget_report(report)
            await self._reports.delete(report)


def _ended(run: DriftRun, state: RunState, error: str | None = None) -> DriftRun:
    return replace(run, state=state, ended_at=datetime.now(UTC), error=error)
