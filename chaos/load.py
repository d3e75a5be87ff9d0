"""Open-loop load: requests come when they come, whether the last ones are answered or not.

Every latency is counted from the moment at which a request was due, so that a client that falls behind, or a
server that stops, hides nothing (coordinated omission).
"""

import asyncio
import random
from collections.abc import Callable

from chaos.client import Ask, Client, Outcome


class Load:
    """Arrivals of one kind: Poisson at `rate` a second from `seed`, each sent to whom `choose` says."""

    def __init__(
        self, make: Callable[[random.Random], Ask], rate: float, choose: Callable[[], Client], seed: int = 1
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._stopped = False
        self._make, self._rate, self._choose = make, rate, choose
        self._draw = random.Random(seed)

    async def run(self, seconds: float) -> list[Outcome]:
        """Returns when the time is over, or stop() was called, and the last one has ended."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        until = due + seconds
        under_way: set[asyncio.Task[None]] = set()
        while (due := due + self._draw.expovariate(self._rate)) < until:
            pause = due - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
            if self._stopped:
                break
            task = loop.create_task(self._one(self._make(self._draw), due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if not self._stopped:
            await asyncio.sleep(max(0.0, until - loop.time()))
        while under_way:
            await asyncio.wait(under_way)
        return self.outcomes

    def stop(self) -> None:
        """Nothing more is asked."""
        self._stopped = True

    async def _one(self, ask: Ask, due: float) -> None:
        self.outcomes.append(await self._choose().ask(ask, due))


async def closed_loop(client: Client, ask: Ask, at_once: int, seconds: float) -> float:
    """Good answers a second when there are always `at_once` under way."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    good = 0

    async def one() -> None:
        nonlocal good
        while loop.time() < until:
            outcome = await client.ask(ask)
            good += outcome.is_good and outcome.end <= until

    await asyncio.gather(*(one() for _ in range(at_once)))
    return good / seconds
