"""The worker: what it does side by side, until it is told to stop.

It asks the store for work and nobody calls it. Killed at any moment it loses nothing: its leases run out, and
another worker, or its successor, goes on.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.training.chores import Chores
from gateway.training.mirroring import Mirroring
from gateway.training.ports import WorkerFacts, WorkerRoll
from gateway.training.trainings import Bench, Trainings

log = logging.getLogger(__name__)

_ABANDONED_S = 86_400.0  # a scratch folder of this age belongs to nobody

Step = Callable[[], Awaitable[bool | None]]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds."""

    poll_s: float = 1.0  # how soon work is seen
    sync_s: float = 10.0  # how soon a champion chosen in the registry is seen
    report_s: float = 5.0
    retry_s: float = 2.0  # after a failure


class Worker:
    def __init__(
        self,
        trainings: Trainings,
        chores: Chores,
        mirroring: Mirroring,
        roll: WorkerRoll,
        bench: Bench,
        engine: str,
        rhythm: Rhythm,
        others: Mapping[str, Step],
    ) -> None:
        """`others`: what it does beside trainings, by its name; a step says whether there was something."""
        self._trainings = trainings
        self._chores = chores
        self._mirroring = mirroring
        self._roll = roll
        self._bench = bench
        self._engine = engine
        self._rhythm = rhythm
        self._others = others
        self._feeding: list[asyncio.Task[None]] = []  # that begin things
        self._keeping: list[asyncio.Task[None]] = []  # that keep what was begun

    def start(self) -> None:
        """Inside the running loop."""
        rhythm = self._rhythm
        self._feeding = [
            _task("data sets", self._for_ever(self._chores.step, rhythm.poll_s)),
            _task("trainings", self._for_ever(self._trainings.feed, rhythm.poll_s)),
            _task("registry", self._for_ever(self._mirroring.step, rhythm.sync_s)),
            _task("scratch", asyncio.to_thread(_swept, self._bench.folder)),
            *(_task(name, self._for_ever(step, rhythm.poll_s)) for name, step in self._others.items()),
        ]
        self._keeping = [
            _task("leases", self._for_ever(self._trainings.renew, min(1.0, self._bench.lease_s / 3))),
            _task("roll", self._for_ever(self._report, rhythm.report_s)),
        ]

    async def close(self, drain_s: float = 10.0) -> None:
        await _stopped(self._feeding)
        with suppress(GatewayError):  # a store that is down: the leases run out by themselves
            await self._trainings.close(drain_s)
        await _stopped(self._keeping)

    async def _report(self) -> None:
        stores = {"registry": self._mirroring.registry_state, "models": self._mirroring.models_state}
        stores["dataset_remote"] = self._chores.remote_state
        bench = self._bench
        await self._roll.report(
            WorkerFacts(bench.owner, self._engine, bench.concurrency, self._trainings.running, stores)
        )

    async def _for_ever(self, step: Step, pause_s: float) -> None:
        """At once again when something was done. A store that is down is waited for."""
        while True:
            try:
                if not await step():
                    await asyncio.sleep(pause_s)
            except GatewayError as error:
                log.warning("the worker waits for the store: %s", error.code.value)
                await asyncio.sleep(self._rhythm.retry_s)
            except Exception:
                # The process's edge: one broken record must not stop the other work.
                log.exception("a part of the worker failed and goes on")
                await asyncio.sleep(self._rhythm.retry_s)


async def _stopped(tasks: list[asyncio.Task[None]]) -> None:
    """Whatever each of them ended with."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _task(name: str, work: Awaitable[None]) -> asyncio.Task[None]:
    async def run() -> None:
        await work

    return asyncio.create_task(run(), name=name)


def _swept(scratch: Path) -> None:
    """Removes what dead workers left."""
    for folder in scratch.glob("*/"):
        with suppress(OSError):  # another worker sweeps too
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)
