"""Who is computed together, and who has to go.

Texts of one length bucket share a batch, so little of it is padding. A core takes the next batch as soon as
it is free: under load the work that came meanwhile gathers by itself, and a lone text does not wait. Requests
take turns: a request's texts are queued in rounds of a batch each (after start-time fair queueing, Goyal et
al. 1996), so one of two thousand texts does not stand in front of one of a single text.

Three ways out of the queue: computed; the caller has left; shed. A request is shed when the queue is full as
it comes, or when its first text is not begun within `delay_s`: under overload who is served is served soon.
"""

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

from embeddings.errors import Overloaded, ServiceError, Stopping

log = logging.getLogger(__name__)

Ids = Sized  # a text as tokens or, for a head that needs none, as letters
Compute = Callable[[Sequence[Any]], Iterable[Any]]  # a batch in, its results in the same order; blocking
Keep = Callable[[Any], Any]  # what a caller keeps of a result; cheap
_SHORTEST_BUCKET = 16  # tokens; each next bucket is twice as long
RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    rows: int = 32  # texts in a batch
    tokens: int = 256  # of a batch with its padding; a single longer text is a batch of its own
    wait_s: float = 0.0  # how long a free core waits for company
    queue: int = 4096  # texts waiting
    delay_s: float = 0.075  # until a request's first text is begun
    threads: int = 1  # batches computed at once


class _Request:
    """One caller's texts; `done` holds their results in order."""

    __slots__ = ("begun", "came", "done", "keep", "left", "results")

    def __init__(self, texts: int, done: "asyncio.Future[list[Any]]", keep: Keep) -> None:
        self.results: list[Any] = [None] * texts
        self.left = texts
        self.done = done
        self.keep = keep
        self.came = perf_counter()
        self.begun = False


class _Waiting(NamedTuple):
    turn: int  # round of the queue
    number: int  # of arrival: makes the order total
    place: int  # in its request
    ids: Ids
    request: _Request


class Batcher:
    """Make it inside the running loop; `close()` finishes what waits. Not for use from several threads."""

    def __init__(
        self,
        compute: Compute,
        limits: Limits,
        *,
        on_batch: Callable[[int, int, float], None] = lambda *_: None,
    ) -> None:
        self._compute = compute
        self._limits = limits
        self._on_batch = on_batch
        self._executor = ThreadPoolExecutor(limits.threads, thread_name_prefix="batch")
        self._buckets: dict[int, list[_Waiting]] = {}  # heaps
        self._newcomers: deque[_Request] = deque()  # by arrival; may hold some that were begun or have left
        self._batches: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._turn = 0
        self._arrivals = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._stopping = False

    @property
    def waiting(self) -> int:
        """Texts that are queued now."""
        return self._waiting

    async def submit(self, texts: Sequence[Ids], keep: Keep = lambda result: result) -> list[Any]:
        """The results in order, of each what `keep` keeps: a large request need not hold what it does not
        want. Raises Overloaded (shed), Stopping. A cancelled caller's texts leave the queue."""
        if self._stopping:
            raise Stopping("The service is stopping.", retry_after=RETRY_AFTER_S)
        if not texts:
            return []
        if self._waiting + len(texts) > self._limits.queue:
            raise Overloaded("Too many texts are waiting.", retry_after=RETRY_AFTER_S)
        request = _Request(len(texts), asyncio.get_running_loop().create_future(), keep)
        for index, ids in enumerate(texts):
            self._arrivals += 1
            turn = self._turn + 1 + index // self._limits.rows
            one = _Waiting(turn, self._arrivals, index, ids, request)
            heapq.heappush(self._buckets.setdefault(_bucket(len(ids)), []), one)
        self._waiting += len(texts)
        self._newcomers.append(request)
        self._dispatch()
        try:
            return await request.done
        except asyncio.CancelledError:
            self._forget(request)
            raise

    async def close(self) -> None:
        """Takes no more; returns when everything that waits has been computed or shed."""
        self._stopping = True
        self._dispatch()
        while self._batches:
            await asyncio.wait(self._batches)
        self._executor.shutdown()

    def _dispatch(self) -> None:
        """Gives batches to free cores while there is something to give."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        self._shed()
        while self._waiting and len(self._batches) < self._limits.threads:
            wait = self._time_to_gather()
            if wait > 0:
                self._alarm = asyncio.get_running_loop().call_later(wait, self._dispatch)
                return
            task = asyncio.ensure_future(self._run(self._next_batch()))
            self._batches.add(task)
            task.add_done_callback(self._core_is_free)

    def _core_is_free(self, task: "asyncio.Task[None]") -> None:
        self._batches.discard(task)
        self._dispatch()

    def _time_to_gather(self) -> float:
        """Seconds that the head of the queue may still wait for company."""
        head = self._head()
        full = len(self._buckets[_bucket(len(head.ids))]) >= self._limits.rows
        if full or self._stopping or not self._limits.wait_s:
            return 0.0
        return head.request.came + self._limits.wait_s - perf_counter()

    def _head(self) -> _Waiting:
        return min(heap[0] for heap in self._buckets.values() if heap)

    def _next_batch(self) -> list[_Waiting]:
        """The head of the queue and, in order, those of its bucket that fit beside it."""
        head = self._head()
        self._turn = max(self._turn, head.turn)
        heap = self._buckets[_bucket(len(head.ids))]
        batch = [heapq.heappop(heap)]
        longest = len(head.ids)
        while heap and len(batch) < self._limits.rows:
            longest = max(longest, len(heap[0].ids))
            if longest * (len(batch) + 1) > self._limits.tokens:
                break
            batch.append(heapq.heappop(heap))
        self._waiting -= len(batch)
        for one in batch:
            one.request.begun = True
        return batch

    async def _run(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        began = perf_counter()
        try:
            results = await loop.run_in_executor(self._executor, self._compute, [one.ids for one in batch])
        except Exception as error:
            log.exception("a batch failed")
            for request in {one.request for one in batch}:
                self._end(request, error)
            return
        self._on_batch(len(batch), sum(len(one.ids) for one in batch), perf_counter() - began)
        for one, result in zip(batch, results, strict=True):
            request = one.request
            request.results[one.place] = request.keep(result)
            request.left -= 1
            if not request.left and not request.done.done():
                request.done.set_result(request.results)

    def _shed(self) -> None:
        """Refuses the requests whose first text has not been begun in time."""
        latest = perf_counter() - self._limits.delay_s
        while self._newcomers and (self._newcomers[0].begun or self._newcomers[0].came < latest):
            request = self._newcomers.popleft()
            if not request.begun:
                self._end(request, Overloaded("The service is overloaded.", retry_after=RETRY_AFTER_S))

    def _end(self, request: _Request, error: Exception) -> None:
        self._forget(request)
        if request.done.done():
            return
        # One exception object for each caller: shared ones grow a traceback with every raise.
        told = error if isinstance(error, ServiceError) else ServiceError("The model failed.")
        told.__cause__ = None if told is error else error
        request.done.set_exception(told)

    def _forget(self, request: _Request) -> None:
        """Takes the request's texts out of the queue."""
        for length, heap in self._buckets.items():
            kept = [one for one in heap if one.request is not request]
            if len(kept) != len(heap):
                self._waiting -= len(heap) - len(kept)
                heapq.heapify(kept)
                self._buckets[length] = kept


def _bucket(tokens: int) -> int:
    """Which length bucket: 0 for up to 16 tokens, 1 to 32, 2 to 64, ..."""
    return max(0, (tokens - 1) // _SHORTEST_BUCKET).bit_length()
