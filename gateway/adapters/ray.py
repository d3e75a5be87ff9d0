"""Rows answered by workers on Ray: the cluster at RAY_ADDRESS, or one of this machine that ends with the run.

Each worker is an actor with the gateway's services in it. Rows travel un-masked between this process and the
workers, so the cluster's network must be as closed as the gateway's own machine.
"""

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from gateway.batch.answering import Answering
from gateway.batch.rows import Failure, Outcome, Row, Unusable
from gateway.errors import BackendUnavailable, Code

Opening = Callable[[], AbstractAsyncContextManager[Answering]]

_SEATS = 2  # blocks at a worker: it has the next one before the answers of the first have arrived
_START_S = 180.0  # a worker imports the gateway and loads the name model
_CLOSE_S = 5.0
_DEATHS = 2  # of workers over one block, before each of its rows is tried alone


class Worker:
    """What runs inside an actor. `opening` opens the services; `folder` is where their relative paths begin,
    on machines that have it."""

    def __init__(self, opening: Opening, concurrency: int, folder: str) -> None:
        self._opening = opening
        self._folder = folder
        self._turns = asyncio.Semaphore(concurrency)
        self._open = AsyncExitStack()

    async def start(self) -> None:
        if os.path.isdir(self._folder):  # noqa: PTH112, ASYNC240 - once, before anything runs
            os.chdir(self._folder)
        self._answering = await self._open.enter_async_context(self._opening())

    async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        return await asyncio.gather(*map(self._outcome, rows))

    async def _outcome(self, row: Row) -> Outcome:
        async with self._turns:
            return await self._answering.outcome(row)

    async def close(self) -> None:
        await self._open.aclose()


class RayEngine:
    """An Engine. Made by opened()."""

    block = 32  # rows: a call of an actor costs a millisecond or two

    def __init__(self, ray: Any, opening: Opening, workers: int, concurrency: int) -> None:
        self._ray = ray
        self._actor = ray.remote(num_cpus=1)(Worker)
        self._arguments = (opening, concurrency, os.getcwd())  # noqa: PTH109
        self._workers: list[Any] = [None] * workers
        self._free: asyncio.Queue[int] = asyncio.Queue()
        self._replacing = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, opening: Opening, workers: int | None, concurrency: int
    ) -> AsyncIterator["RayEngine"]:
        """Workers that are ready; closed when left, and Ray too when it was started here. Raises
        BackendUnavailable when it or the workers cannot be had."""
        ray = _imported()
        ours = not ray.is_initialized()
        if ours:
            await asyncio.to_thread(_connect, ray)
        try:
            count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            engine = cls(ray, opening, count, concurrency)
            try:
                await engine._start()
                yield engine
            finally:
                await engine._close()
        finally:
            if ours:
                await asyncio.to_thread(ray.shutdown)

    @property
    def lanes(self) -> int:
        return _SEATS * len(self._workers)

    async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        """The block, again by another worker when its worker dies; row by row when that one dies too, so that
        one poisonous row is found."""
        light = [replace(row, cells=()) for row in rows]
        for _ in range(_DEATHS):
            outcomes = await self._answered(light)
            if outcomes is not None:
                return outcomes
        if len(rows) == 1:
            return [Failure(Code.INTERNAL.value, "Workers die over this row.")]
        return [outcome for row in light for outcome in await self.answer([row])]

    async def _answered(self, rows: Sequence[Row]) -> Sequence[Outcome] | None:
        """None: the worker died."""
        place = await self._free.get()
        worker = self._workers[place]
        try:
            outcomes: Sequence[Outcome] = await worker.answer.remote(rows)
            return outcomes
        except self._ray.exceptions.RayActorError:
            await self._replace(place, worker)
            return None
        finally:
            self._free.put_nowait(place)

    async def _start(self) -> None:
        for place in range(len(self._workers)):
            self._workers[place] = self._actor.remote(*self._arguments)
        await asyncio.gather(*map(self._started, self._workers))
        for _ in range(_SEATS):
            for place in range(len(self._workers)):
                self._free.put_nowait(place)

    async def _started(self, worker: Any) -> None:
        try:
            async with asyncio.timeout(_START_S):
                await worker.start.remote()
        except (TimeoutError, self._ray.exceptions.RayError):
            raise BackendUnavailable("Ray's workers could not be started.") from None

    async def _replace(self, place: int, dead: Any) -> None:
        async with self._replacing:
            if self._workers[place] is dead:  # another block at it may have seen to it
                self._ray.kill(dead)
                self._workers[place] = self._actor.remote(*self._arguments)
                await self._started(self._workers[place])

    async def _close(self) -> None:
        await asyncio.gather(*map(self._closed, filter(None, self._workers)))

    async def _closed(self, worker: Any) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await worker.close.remote()
        except (TimeoutError, self._ray.exceptions.RayError):
            pass  # ended below in any case
        finally:
            self._ray.kill(worker)


def check_installed() -> None:
    """Raises Unusable where Ray is not."""
    if importlib.util.find_spec("ray") is None:
        raise Unusable("--engine ray needs Ray: `python3 -m scripts.bootstrap worker` makes .venv-worker")


def _imported() -> Any:
    """Ray, set to keep to itself; what the environment says already wins."""
    # Read by Ray when it is imported and by the processes that it starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    # Heavy and optional: 300 MB that only this engine needs.
    import ray  # noqa: PLC0415

    return ray


def _connect(ray: Any) -> None:
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError):
        raise BackendUnavailable("Ray cannot be reached or started.") from None
