"""The Engine on Ray: the same child process as on one machine, started by a task somewhere in the cluster.

Data and results travel through Ray's object store, so no folder need be shared. Between the cluster's
machines the rows pass unencrypted: its network must be as closed as the worker's own machine.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.adapters.fitting.local import MEMORY_MB, SILENCE_S, LocalEngine
from gateway.adapters.fitting.wire import failed_line, read_line, read_work, work_text
from gateway.training.ports import FitFailed, Fitted, Progress, Work, WorkerLost

_WAIT_S = 600.0  # for a free place in the cluster, beside the fit's own time

Files = dict[str, bytes]


class RayEngine:
    """`workers`: fits at once; others wait. `timeout_s`: of a fit. `address`: of the cluster; empty:
    RAY_ADDRESS, else a Ray of this machine that ends with close(). `memory_mb`: the most of one fit. Ray is
    connected at the first fit."""

    def __init__(
        self,
        workers: int,
        timeout_s: float,
        address: str = "",
        silence_s: float = SILENCE_S,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        self._places = asyncio.Semaphore(workers)
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._memory_mb = memory_mb
        self._address = address
        self._connecting = asyncio.Lock()
        self._ray: Any = None
        self._ours = False  # started or connected here
        self._running: set[Any] = set()

    async def run(self, work: Work) -> AsyncGenerator[Progress | Fitted]:
        """See the port."""
        async with self._places:
            ray = await self._connected()
            data = await asyncio.to_thread(work.data.read_bytes)
            task = ray.remote(num_cpus=work.threads, max_retries=0, num_returns="streaming")(_fit_there)
            answers = task.remote(work_text(work), data, self._timeout_s, self._silence_s, self._memory_mb)
            del data
            self._running.add(answers)
            done = False
            try:
                async with asyncio.timeout(self._timeout_s + _WAIT_S):
                    async for answer in answers:
                        told = await _read(await answer, work)
                        if told is not None:
                            yield told
                        if isinstance(told, Fitted):
                            done = True
                            return
                raise WorkerLost("The task that fits is gone.")
            except (ray.exceptions.RayError, TimeoutError, ValueError):
                raise WorkerLost("The task that fits is gone.") from None
            finally:
                if answers in self._running:  # else close() has seen to it
                    self._running.discard(answers)
                    if not done:
                        await _cancel(ray, answers)

    async def close(self) -> None:
        """Kills what runs, and Ray when it was started here."""
        while self._running:
            await _cancel(self._ray, self._running.pop())
        if self._ours:
            await asyncio.to_thread(self._ray.shutdown)
        self._ray, self._ours = None, False

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._ray is None:
                self._ray, self._ours = await asyncio.to_thread(_connect, self._address)
            return self._ray


async def _cancel(ray: Any, answers: Any) -> None:
    with suppress(ray.exceptions.RayError, ValueError):
        # force: its process is killed, and the fit's process dies with it
        await asyncio.to_thread(ray.cancel, answers, force=True)


def _connect(address: str) -> tuple[Any, bool]:
    """Ray, set to keep to itself, and whether it was connected here. Raises WorkerLost."""
    # Read by Ray when it is imported and by the processes that it starts; what the environment says wins.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    # Heavy and optional: 300 MB that only this engine needs.
    import ray  # noqa: PLC0415

    if ray.is_initialized():
        return ray, False
    try:
        ray.init(address=address or None, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError):
        raise WorkerLost("Ray cannot be reached or started.") from None
    return ray, True


async def _read(answer: str | Files, work: Work) -> Progress | Fitted | None:
    """A line, or before the last of them the files."""
    if isinstance(answer, str):
        return read_line(answer, work.folder)
    await asyncio.to_thread(_write, answer, work.folder)
    return None


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        (folder / Path(name).name).write_bytes(content)


async def _next(lines: AsyncGenerator[str]) -> str:
    return await anext(lines)


def _fit_there(
    order: str, data: bytes, timeout_s: float, silence_s: float, memory_mb: int
) -> Iterator[str | Files]:
    """What runs in a process of Ray's: the lines of a fit's process, and before the last one its files."""
    with tempfile.TemporaryDirectory() as scratch, asyncio.Runner() as runner:
        work = read_work(order)
        work = replace(work, data=Path(scratch) / work.data.name, folder=Path(scratch) / "made")
        work.data.write_bytes(data)
        work.folder.mkdir()
        lines = LocalEngine(1, timeout_s, silence_s, memory_mb).lines(work)
        try:
            while True:
                line = runner.run(_next(lines))
                if isinstance(read_line(line, work.folder), Fitted):
                    yield {file.name: file.read_bytes() for file in work.folder.iterdir()}
                    yield line
                    return
                yield line
        except FitFailed as failed:
            yield failed_line(failed)
        finally:
            runner.run(lines.aclose())
