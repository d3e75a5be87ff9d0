"""The Engine on this machine: a child process for each fit. Light: scikit-learn loads only there."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

from gateway.adapters.fitting.wire import read_line, work_text
from gateway.training.ports import FitFailed, Fitted, Progress, Work, WorkerLost

_ROOT = Path(__file__).parents[3]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from gateway.adapters.fitting.process import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_LONGEST_LINE = 64 << 20  # a hundred labels of 65,536 characters
_KERNEL = Path("/proc/vmstat")
SILENCE_S = 300.0  # a process that lives says so every 2 s, on a busy machine minutes later
MEMORY_MB = 4096


class LocalEngine:
    """`workers`: fits at once; others wait. `timeout_s`: of a fit, its waiting not counted. `silence_s`:
    without a line before its process is taken for lost. `memory_mb`: the most of one fit."""

    def __init__(
        self, workers: int, timeout_s: float, silence_s: float = SILENCE_S, memory_mb: int = MEMORY_MB
    ) -> None:
        self._places = asyncio.Semaphore(workers)
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._memory_mb = memory_mb
        self._running: set[int] = set()  # process groups

    async def run(self, work: Work) -> AsyncGenerator[Progress | Fitted]:
        """See the port."""
        async with self._places, aclosing(self.lines(work)) as lines:
            async for line in lines:
                try:
                    told = read_line(line, work.folder)
                except ValueError:
                    raise WorkerLost("The process that fits said something unheard of.") from None
                if told is not None:
                    yield told
                if isinstance(told, Fitted):
                    return

    async def lines(self, work: Work) -> AsyncGenerator[str]:
        """What a process of its own says about the work. Closing the iterator kills it. Raises FitFailed when
        it takes too long or dies for want of memory, WorkerLost when it ends or is silent."""
        killed_before = await asyncio.to_thread(_killed_for_memory)
        process = await self._started(work)
        assert process.stdout is not None  # noqa: S101
        self._running.add(process.pid)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeout_s
        try:
            while True:
                try:
                    async with asyncio.timeout(min(self._silence_s, deadline - clock())):
                        line = await process.stdout.readline()
                except TimeoutError:
                    if clock() >= deadline:
                        raise FitFailed("timeout", "The fit takes longer than it may.") from None
                    raise WorkerLost("The process that fits says nothing any more.") from None
                if not line:
                    _kill(process.pid)
                    if await _out_of_memory(await process.wait(), killed_before):
                        raise FitFailed("too_large", "The fit needs more memory than there is.")
                    raise WorkerLost("The process that fits is gone.")
                yield line.decode()
        finally:
            self._running.discard(process.pid)
            _kill(process.pid)
            await process.wait()

    async def close(self) -> None:
        """Kills what runs: its iterators raise WorkerLost."""
        for group in [*self._running]:
            _kill(group)

    async def _started(self, work: Work) -> asyncio.subprocess.Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _BOOT, str(_ROOT), str(os.getpid()), str(self._memory_mb)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
        except OSError:
            raise WorkerLost("No process could be started for the fit.") from None
        assert process.stdin is not None  # noqa: S101
        # Through the pipe: what people may see of a process are its arguments.
        process.stdin.write(work_text(work).encode())
        process.stdin.close()
        return process


async def _out_of_memory(status: int, killed_before: int) -> bool:
    """Whether a process died of it: the kernel killed it, or it broke off, as Rust and C++ do."""
    if status == -signal.SIGKILL:
        return await asyncio.to_thread(_killed_for_memory) > killed_before
    return status == -signal.SIGABRT


def _killed_for_memory() -> int:
    """How often the kernel has killed for want of memory, on this machine and in every container of it."""
    with suppress(OSError):
        for line in _KERNEL.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
