"""The DriftEngine: a child process for each comparison, one at a time. Light: Evidently loads only there."""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from gateway.adapters.evidently.wire import question, read_compared
from gateway.adapters.frames import frame, received
from gateway.drift.facts import Compared, Comparison
from gateway.drift.ports import DriftFailed

log = logging.getLogger(__name__)

_ROOT = Path(__file__).parents[3]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from gateway.adapters.evidently.process import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_MEMORY_MB = 3072  # at most; 7,000 rows with vectors of 768 ask for 1,400, of which they touch 390
_PROCESSES = 2  # of one comparison
_PUSH_S = 10.0  # for the service, once the answer is there


class EvidentlyEngine:
    """Implements DriftEngine. `timeout_s`: of a comparison, its waiting not counted. `url`: of Evidently's
    service, "" for none; `project`: its name there."""

    def __init__(self, timeout_s: float, url: str, project: str, memory_mb: int = _MEMORY_MB) -> None:
        self._timeout_s = timeout_s
        self._url = url
        self._project = project
        self._memory_mb = memory_mb
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False

    async def compare(self, comparison: Comparison) -> Compared:
        """See the port."""
        async with self._turn:
            if self._closed:
                raise DriftFailed("The worker is closing.")
            try:
                async with asyncio.timeout(self._timeout_s):
                    compared = await self._compared(comparison)
                await self._pushed()
            except TimeoutError:
                raise DriftFailed("The comparison takes longer than it may.") from None
            finally:
                await self._end()
        return compared

    @property
    def pid(self) -> int | None:
        """Of the process that compares now, for measuring and for tests."""
        return None if self._process is None else self._process.pid

    async def close(self) -> None:
        """A comparison under way fails."""
        self._closed = True
        if self._process is not None:
            _kill(self._process.pid)

    async def _compared(self, comparison: Comparison) -> Compared:
        """A process that dies is followed by another: where memory is short the kernel takes it first."""
        for attempt in range(1, _PROCESSES + 1):
            try:
                return await self._answer(comparison)
            except TimeoutError:  # an OSError too
                raise
            except (OSError, EOFError):
                await self._end()
                if self._closed or attempt == _PROCESSES:
                    break
                log.warning("the process that compares died; another begins")
        raise DriftFailed("The process that compares died.")

    async def _answer(self, comparison: Comparison) -> Compared:
        asked = await asyncio.to_thread(lambda: frame(question(comparison, self._url, self._project)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _BOOT, str(_ROOT), str(os.getpid()), str(self._memory_mb)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._process = process
        if self._closed:
            raise DriftFailed("The worker is closing.")
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(asked)
        await process.stdin.drain()
        told = await received(process.stdout)
        if "failed" in told:
            log.error("a comparison broke with %s", told["failed"])
            raise DriftFailed("The comparison broke.")
        return await asyncio.to_thread(read_compared, told)

    async def _pushed(self) -> None:
        """Waits for the service, not long: the answer is there already."""
        assert self._process is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        try:
            async with asyncio.timeout(_PUSH_S):
                error = (await received(self._process.stdout))["pushed"]
        except TimeoutError:
            error = "TimeoutError"
        except EOFError:
            error = "its process died"
        if error is not None:
            log.warning("a drift report could not be shown by Evidently's service: %s", error)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _kill(process.pid)
            await process.wait()


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
