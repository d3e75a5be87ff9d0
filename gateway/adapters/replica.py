"""One of the servers that do the same work: who is asking it, and whether it is left alone.

Nobody probes a server that is idle or answers. One that is silent while it is asked is probed, since a black
hole looks like a slow model until somebody asks it for something quick; and so is one that is left alone, for
news of its return. 0.25 s of silence and two probes of 0.35 s find a black hole within a second.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.breaker import Breaker, Outcome, Passage, outcome_of
from gateway.errors import BackendTimeout, BackendUnavailable, GatewayError
from gateway.health import ReplicaSeen, State
from gateway.tasks import ended
from gateway.urgency import urgency

log = logging.getLogger(__name__)

_OVER_S = 0.01  # of a deadline: what ends so near to it ended because of it


class OneServer(Protocol):
    """An adapter of one address."""

    @property
    def heard_at(self) -> float:
        """By the loop's clock: when something last came from it."""

    async def alive(self, timeout_s: float) -> None:
        """Returns when it answers a probe; raises GatewayError."""

    def forget(self) -> None:
        """It may be another one now."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Probing:
    every_s: float = 0.25  # of a server that is left alone, or silent while it is asked
    timeout_s: float = 0.35


B = TypeVar("B", bound=OneServer)
T = TypeVar("T")


class Replica(Generic[B]):
    """Make it inside the running loop and outside of any request, whose context its probes would keep;
    `close()` ends them and releases the connections."""

    def __init__(
        self,
        number: int,
        backend: B,
        breaker: Breaker,
        probing: Probing,
        turned: Callable[["Replica[B]"], None],
    ) -> None:
        """`turned` is called when `is_open` changes."""
        self.number = number
        self.backend = backend
        self.in_flight = 0
        self.is_open = False  # left alone, but for one call that tries it
        self.apart = False  # serves something else than the others
        self._breaker = breaker
        self._probing = probing
        self._turned = turned
        self._since = time.time()
        self._time = asyncio.get_running_loop().time
        self._waited_since = self._probed_at = 0.0
        self._wanted = asyncio.Event()  # there is something to look after
        self._hurried: set[asyncio.Timeout] = set()
        self._watching = asyncio.create_task(self._watch(), name=f"replica {number}")

    async def close(self) -> None:
        await ended(self._watching)
        await self.backend.close()

    @property
    def seen(self) -> ReplicaSeen:
        return ReplicaSeen(self.number, State.DOWN if self.is_open else State.UP, self._since)

    @property
    def wait_s(self) -> float:
        """Until it may be asked or is probed."""
        return max(self._breaker.wait_s(self._time()), self._probing.every_s)

    def passes(self) -> bool:
        """Whether it may be asked now."""
        return self._breaker.passes(self._time())

    def begin(self) -> Passage | None:
        """Leave to ask it, to be used at once; None: it may not be asked."""
        return self._breaker.begin(self._time())

    async def asked(
        self, passage: Passage, ask: Callable[[B], Awaitable[T]], proves: Outcome = Outcome.WELL
    ) -> T:
        """`proves`: what an answer says of the server."""
        outcome = Outcome.NOTHING  # when whoever asks leaves
        self._enter()
        try:
            answer = await ask(self.backend)
            outcome = proves
            return answer
        except GatewayError as error:
            outcome = _outcome(error)
            raise
        finally:
            self._leave(passage, outcome)

    @asynccontextmanager
    async def streamed(
        self, passage: Passage, begin: Callable[[B], AbstractAsyncContextManager[T]]
    ) -> AsyncIterator[T]:
        """What whoever reads the stream finds wrong with it is this server's fault too: it broke off, or is
        none."""
        outcome = Outcome.NOTHING
        self._enter()
        try:
            async with begin(self.backend) as pieces:
                yield pieces
            outcome = Outcome.WELL
        except GatewayError as error:
            outcome = _outcome(error)
            raise
        finally:
            self._leave(passage, outcome)

    async def hurried(self, passage: Passage, ask: Callable[[B], Awaitable[T]]) -> T:
        """Of what every request waits for, and what says nothing of how the server does its work: as asked(),
        but given up when it is left alone meanwhile."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._hurried.add(limit)
                return await self.asked(passage, ask, Outcome.NOTHING)
        except TimeoutError:
            raise BackendUnavailable("A server fell silent.", retry_after=1.0) from None
        finally:
            self._hurried.discard(limit)

    def _enter(self) -> None:
        if not self.in_flight:
            self._waited_since = self._time()
            self._wanted.set()
        self.in_flight += 1

    def _leave(self, passage: Passage, outcome: Outcome) -> None:
        self.in_flight -= 1
        now = self._time()
        self._breaker.end(passage, outcome, now)
        self._notice(now)

    def _notice(self, now: float) -> None:
        if self._breaker.is_open is self.is_open:
            return
        self.is_open = not self.is_open
        self._since = time.time()
        if self.is_open:
            for limit in self._hurried:
                if not limit.expired():
                    limit.reschedule(now)
        else:
            self.backend.forget()
        self._wanted.set()
        self._turned(self)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:  # the task's edge: a server that nobody looks after would stay as it is
                log.exception("looking after a server failed")
                await asyncio.sleep(1.0)

    async def _look(self) -> None:
        every_s = self._probing.every_s
        if self.is_open:
            await self._probe()
            if self.is_open:
                await asyncio.sleep(every_s)
        elif not self.in_flight:
            self._wanted.clear()
            await self._wanted.wait()
        else:
            heard_at = max(self.backend.heard_at, self._waited_since, self._probed_at)
            left_s = heard_at + every_s - self._time()
            # The second probe after a silent one begins at once.
            await (asyncio.sleep(left_s) if left_s > 0 else self._probe())

    async def _probe(self) -> None:
        began = self._time()
        try:
            await self.backend.alive(self._probing.timeout_s)
            answered = True
        except GatewayError:
            # One that is too busy for probes and goes on answering is no black hole.
            answered = not self.is_open and self.backend.heard_at > began
        now = self._time()
        if answered:
            self._probed_at = now
        self._breaker.probed(now, answered=answered)
        self._notice(now)


def _outcome(error: GatewayError) -> Outcome:
    if isinstance(error, BackendTimeout):
        left_s = urgency().remaining_s
        if left_s is not None and left_s <= _OVER_S:
            return Outcome.NOTHING  # the caller's patience was the shorter one
    return outcome_of(error)
