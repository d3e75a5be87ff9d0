"""Several servers that do the same work, behind the port of one: the least loaded is asked, one that fails is
left alone, and what surely was not begun is asked of another one.

The one layer that tries again, within a budget; docs/resilience.md tells what of.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gateway.adapters.replica import B, Probing, Replica, T
from gateway.breaker import Breaker, BreakerPolicy, Passage
from gateway.domain import Server
from gateway.errors import BackendBusy, BackendUnavailable, GatewayError
from gateway.health import ReplicaSeen
from gateway.retries import RetryBudget, pause_s
from gateway.tasks import all_of
from gateway.urgency import urgency

log = logging.getLogger(__name__)

L = TypeVar("L")  # what a server lists that it serves
_NAMES = {Server.LLM: "The model server", Server.EMBEDDINGS: "The embeddings service"}


class Told(Protocol):
    """Where it is counted. `replica`: its place in the list."""

    def breaker(self, server: str, replica: int, *, is_open: bool) -> None: ...

    def retried(self, what: str) -> None: ...

    def retry_refused(self, server: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ReplicasPolicy:
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    probing: Probing = field(default_factory=Probing)
    retry_budget: float = 0.2  # retries for each request


class Pool(Generic[B, L]):
    """Make it inside the running loop and outside of any request; `close()` releases everything."""

    def __init__(
        self,
        server: Server,
        backends: Sequence[B],
        known: Callable[[B], L | None],
        listed: Callable[[B], Awaitable[L]],
        policy: ReplicasPolicy,
        told: Told,
    ) -> None:
        """`listed` asks a server what it serves, `known` is what it told a moment ago."""
        self._server = server
        self._known = known
        self._listed = listed
        self._told = told
        self._time = asyncio.get_running_loop().time
        self.budget = RetryBudget(policy.retry_budget, self._time(), lambda: told.retry_refused(server.value))
        self._replicas = [
            Replica(number, backend, Breaker(policy.breaker), policy.probing, self._turned)
            for number, backend in enumerate(backends)
        ]
        for replica in self._replicas:
            told.breaker(server.value, replica.number, is_open=False)
        self._turn = 0
        self._expected: L | None = None  # what all of them are to serve; None: nobody has told

    async def close(self) -> None:
        await all_of([replica.close() for replica in self._replicas])

    @property
    def seen(self) -> list[ReplicaSeen]:
        return [replica.seen for replica in self._replicas]

    @property
    def in_flight(self) -> int:
        return sum(replica.in_flight for replica in self._replicas)

    async def alive(self, within_s: float) -> None:
        """Returns when one of those that are not left alone answers a probe."""
        fault: GatewayError | None = None
        for replica in self._replicas:
            if replica.passes():
                try:
                    return await replica.backend.alive(within_s)
                except GatewayError as error:
                    fault = error
        raise fault or self._left_alone()

    async def listing(self) -> L:
        """What they serve: as before, where one of them still does; otherwise what the first tells."""
        fault: GatewayError | None = None
        other: L | None = None
        for replica in self._replicas:
            if not replica.passes():
                continue
            try:
                told = await self._listing_of(replica)
            except GatewayError as error:
                fault = error
                continue
            if self._expected is None or told == self._expected:
                self._expected = told
                return told
            other = told if other is None else other
        if other is None:
            raise fault or self._left_alone()
        self._expected = other
        return other

    async def asked(self, ask: Callable[[B], Awaitable[T]]) -> T:
        """One call, asked once more where that is safe."""
        self.budget.pay(self._time())
        replica, passage = await self._entered()
        try:
            return await replica.asked(passage, ask)
        except BackendUnavailable as error:
            again = await self._once_more(replica, error)
            if again is None:
                raise
        replica, passage = again
        return await replica.asked(passage, ask)

    @asynccontextmanager
    async def streamed(self, begin: Callable[[B], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
        """The same for a stream: after its head nothing is asked again."""
        self.budget.pay(self._time())
        replica, passage = await self._entered()
        async with AsyncExitStack() as stack:
            again = None
            try:
                pieces = await stack.enter_async_context(replica.streamed(passage, begin))
            except BackendUnavailable as error:
                again = await self._once_more(replica, error)
                if again is None:
                    raise
            if again is not None:
                replica, passage = again
                pieces = await stack.enter_async_context(replica.streamed(passage, begin))
            yield pieces

    async def _entered(self, but: Replica[B] | None = None) -> tuple[Replica[B], Passage]:
        """The least loaded and leave to ask it, to be used at once. Raises BackendUnavailable."""
        out = [] if but is None else [but]
        fault: GatewayError | None = None
        while (replica := self._least_loaded(out)) is not None:
            try:
                if len(self._replicas) > 1 and not await self._agrees(replica):
                    out.append(replica)
                    continue
            except GatewayError as error:
                fault = error
                out.append(replica)
                continue
            passage = replica.begin()
            if passage is not None:
                return replica, passage
        raise fault or self._left_alone()

    def _least_loaded(self, out: Sequence[Replica[B]]) -> Replica[B] | None:
        """Of those that may be asked: a half-open one only where there is no other, for a probe tries it
        without a caller's risk. Of equals each in turn."""
        best, count = None, len(self._replicas)
        for step in range(count):
            replica = self._replicas[(self._turn + step) % count]
            if replica in out or not replica.passes():
                continue
            if best is None or (replica.is_open, replica.in_flight) < (best.is_open, best.in_flight):
                best = replica
        if best is not None:
            self._turn = best.number + 1
        return best

    async def _agrees(self, replica: Replica[B]) -> bool:
        told = await self._listing_of(replica)
        if self._expected is None:
            self._expected = told
        apart = told != self._expected
        if apart and not replica.apart:
            log.warning(
                "replica %d of %s serves something else than the others and is left out",
                replica.number,
                self._server.value,
            )
        replica.apart = apart
        return not apart

    async def _listing_of(self, replica: Replica[B]) -> L:
        known = self._known(replica.backend)
        if known is not None:
            return known
        passage = replica.begin()
        if passage is None:
            raise self._left_alone()
        return await replica.hurried(passage, self._listed)

    async def _once_more(
        self, failed: Replica[B], error: BackendUnavailable
    ) -> tuple[Replica[B], Passage] | None:
        """Whom to ask, after a pause, what `failed` did not begin; None: nobody. A server that refuses is not
        asked again, another one is."""
        others = [one for one in self._replicas if one is not failed and one.passes() and not one.apart]
        if not others and (isinstance(error, BackendBusy) or not failed.passes()):
            return None
        pause, left_s = pause_s(), urgency().remaining_s
        if (left_s is not None and left_s <= pause) or not self.budget.take():
            return None
        self._told.retried(self._server.value)
        await asyncio.sleep(pause)
        try:
            return await self._entered(failed if others else None)
        except GatewayError:
            return None  # they fell meanwhile: the first error is told

    def _turned(self, replica: Replica[B]) -> None:
        log.log(
            logging.WARNING if replica.is_open else logging.INFO,
            "replica %d of %s %s",
            replica.number,
            self._server.value,
            "failed and is left alone" if replica.is_open else "is asked again",
        )
        self._told.breaker(self._server.value, replica.number, is_open=replica.is_open)

    def _left_alone(self) -> BackendUnavailable:
        wait_s = min(replica.wait_s for replica in self._replicas)
        name = _NAMES[self._server]
        return BackendUnavailable(f"{name} failed and is left alone.", retry_after=max(1.0, wait_s))
