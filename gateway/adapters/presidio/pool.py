"""The Analyzer port over worker processes. Light: Presidio, NER and numpy load in the workers only.

Plain child processes with a pipe each, not `concurrent.futures`: its pool breaks as a whole when one worker
dies, has no way to end a stuck worker but private attributes, and its children run the parent's main module.

Over 250 lines: the line of those who wait, and what becomes of each when a worker is lost.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from gateway.adapters.frames import frame, received
from gateway.adapters.presidio.process import NO_LISTS, Lists, Start, request
from gateway.adapters.presidio.slices import sliced, together, whole
from gateway.domain import MaskingPolicy, Passage, Span
from gateway.errors import MaskingUnavailable, Overloaded

_ROOT = Path(__file__).parents[3]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from gateway.adapters.presidio.process import serve; serve(int(sys.argv[2]))"
)
_START_S = 60.0  # a busy machine loads the libraries slowly
# Of waiting for a worker: whoever comes then, and is not in line yet, is told at once to come again.
_LONG_WAIT_S = 2.0
_REST_S = (0.5, 1.0, 2.0, 5.0, 15.0)  # pauses between failed starts

Answer = list[list[list[Any]]]  # for each passage its spans' fields, in Span's order


@dataclass(slots=True)
class _Job:
    passages: Sequence[Passage] = field(repr=False)
    policy: MaskingPolicy
    answer: "asyncio.Future[Answer]" = field(repr=False)
    since: float  # by the loop's clock
    taken: bool = False


class AnalyzerPool:
    """Finds personal data; fails closed.

    `workers`: processes, one request at a time each.
    `names`: names by NER too; without it by rules only (a worker is lighter then, see docs/masking.md).
    `lists`: what a deployment knows by itself.
    `spacy_model`: a spaCy pipeline's name or folder, one more recogniser; empty: none.
    `max_waiting`: requests that may wait before Overloaded.
    `timeout_s`: seconds the analysis of a slice may take before its worker is killed and replaced; a slice
    that waits twice as long is refused. Under Presidio's own 60 s, when it skips a slow pattern: a leak.
    """

    def __init__(
        self,
        workers: int = 1,
        names: bool = True,
        lists: Lists = NO_LISTS,
        spacy_model: str = "",
        max_waiting: int = 256,
        timeout_s: float = 10.0,
    ) -> None:
        if not 0 < timeout_s < 60:
            raise ValueError("timeout_s must be between 0 and 60 seconds")
        self._timeout_s = timeout_s
        self._waiting: asyncio.Queue[_Job] = asyncio.Queue()  # of which some may have left
        self._max_waiting = max_waiting
        self._in_line = 0
        # One secret for all workers: they must call the same person the same.
        start = Start(names, lists, secrets.token_bytes(16).hex(), spacy_model)
        self._waited_s = 0.0  # by the job that was taken last
        self._slots = [_Slot(self._waiting, start, timeout_s, self._took) for _ in range(workers)]

    async def start(self) -> None:
        """Starts the workers; returns when each has analysed a first text or failed to (see `ready`). Where
        they are being started already, it waits for that."""
        await asyncio.gather(*(slot.start() for slot in self._slots))

    async def ready(self) -> bool:
        """Whether at least one worker is up."""
        return any(slot.up for slot in self._slots)

    async def analyze(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Span]]:
        """See the port. Waits for a worker that is being replaced; a long request queues slice by slice."""
        if self._waited_s > _LONG_WAIT_S and not self._waiting.empty() and any(s.up for s in self._slots):
            raise _too_many()
        cut = [[*sliced(passage)] for passage in passages]
        answers: list[list[Span]] = []
        for group in together(one for slices in cut for one in slices):
            answers += await self._answer([one.passage for one in group], policy)
        found = iter(answers)
        return [whole(slices, [next(found) for _ in slices]) for slices in cut]

    async def _answer(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Span]]:
        if not any(slot.hopeful for slot in self._slots):
            raise MaskingUnavailable("Personal data cannot be looked for: no analyser is running.")
        loop = asyncio.get_running_loop()
        job = _Job(passages, policy, loop.create_future(), loop.time())
        if self._in_line >= self._max_waiting + len(self._slots):
            raise _too_many()
        self._in_line += 1
        try:
            self._waiting.put_nowait(job)
            async with asyncio.timeout(2 * self._timeout_s):
                found = await job.answer
        except TimeoutError:
            if job.taken:
                raise MaskingUnavailable("The analyser gave no answer in time.") from None
            raise _too_many() from None
        finally:
            self._in_line -= 1
            if not job.taken:
                job.passages = ()  # until a worker comes upon it, it lies in the line
        return [[_span(fields) for fields in spans] for spans in found]

    def _took(self, waited_s: float) -> None:
        self._waited_s = waited_s

    async def close(self) -> None:
        """Ends the workers; requests under way fail."""
        await asyncio.gather(*(slot.close() for slot in self._slots))
        while not self._waiting.empty():
            _fail(self._waiting.get_nowait())

    def worker_pids(self) -> list[int]:
        """Process ids of the workers that run, for measuring and for tests."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]


class _Slot:
    """One worker process and the task that feeds it and replaces it when it dies or hangs."""

    def __init__(
        self,
        waiting: "asyncio.Queue[_Job]",
        start: Start,
        timeout_s: float,
        took: Callable[[float], None],
    ) -> None:
        """`took` is told for how many seconds a job waited that was taken."""
        self._waiting = waiting
        self._took = took
        self._start = start
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None
        self.up = False
        self.hopeful = False  # up, or being started and not known to fail

    async def start(self) -> None:
        if self._task is None:
            self.hopeful = True
            self._task = asyncio.create_task(self._live())
            self._task.add_done_callback(lambda _: self._tried.set())  # closed while starting
        await self._tried.wait()

    async def close(self) -> None:
        self.hopeful = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end()

    async def _live(self) -> None:
        failures = 0
        while True:
            self.up = self.hopeful = await self._begin()
            self._tried.set()
            if self.up:
                failures = 0
                await self._work()
            else:
                while not self._waiting.empty():
                    _fail(self._waiting.get_nowait())
                await asyncio.sleep(_REST_S[min(failures, len(_REST_S) - 1)])
                failures += 1
            self.up = False
            await self._end()

    async def _begin(self) -> bool:
        try:
            async with asyncio.timeout(_START_S):
                self.process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-c", _BOOT, str(_ROOT), str(os.getpid())),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
                assert self.process.stdin is not None  # noqa: S101
                assert self.process.stdout is not None  # noqa: S101
                # Through the pipe: what people may see of a process are its arguments.
                self.process.stdin.write(frame(asdict(self._start)))
                await self.process.stdin.drain()
                return await received(self.process.stdout) is True
        except (OSError, EOFError, ValueError, TimeoutError):
            return False

    async def _work(self) -> None:
        """Serves jobs until the worker is lost."""
        assert self.process is not None  # noqa: S101
        death = asyncio.create_task(self.process.wait())
        try:
            while not death.done():
                next_job = asyncio.create_task(self._waiting.get())
                try:
                    await asyncio.wait({next_job, death}, return_when=asyncio.FIRST_COMPLETED)
                except asyncio.CancelledError:  # close(), which fails what waits; this one waits no more
                    if next_job.done() and not next_job.cancelled():
                        _fail(next_job.result())
                    raise
                finally:
                    if not next_job.done():
                        next_job.cancel()
                if not next_job.done() or next_job.cancelled():
                    continue
                if not await self._serve(next_job.result()):
                    return
        finally:
            death.cancel()

    async def _serve(self, job: _Job) -> bool:
        """Whether the worker is still good. A caller who left takes nothing down: the answer is dropped."""
        if job.answer.done():
            return True
        job.taken = True
        self._took(asyncio.get_running_loop().time() - job.since)
        try:
            answer = await self._ask(job)
        except (OSError, EOFError, ValueError, TimeoutError):
            _fail(job)
            return False
        except asyncio.CancelledError:  # close()
            _fail(job)
            raise
        if answer is None:
            _fail(job)
        elif not job.answer.done():
            job.answer.set_result(answer)
        return True

    async def _ask(self, job: _Job) -> Answer | None:
        assert self.process is not None  # noqa: S101
        assert self.process.stdin is not None  # noqa: S101
        assert self.process.stdout is not None  # noqa: S101
        async with asyncio.timeout(self._timeout_s):
            self.process.stdin.write(frame(request(job.passages, job.policy)))
            await self.process.stdin.drain()
            answer = cast("Answer | None", await received(self.process.stdout))
        if answer is not None and len(answer) != len(job.passages):
            raise ValueError("the worker answered for other passages")
        return answer

    async def _end(self) -> None:
        process, self.process, self.up = self.process, None, False
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


def _span(fields: Sequence[Any]) -> Span:
    start, end, kind, score, recogniser, identity, base_form, parts = fields
    return Span(start, end, kind, score, recogniser, identity, base_form, tuple((a, b) for a, b in parts))


def _too_many() -> Overloaded:
    return Overloaded("Too many requests wait to be masked.", retry_after=1.0)


def _fail(job: _Job) -> None:
    if not job.answer.done():
        job.answer.set_exception(MaskingUnavailable("The analyser failed."))
