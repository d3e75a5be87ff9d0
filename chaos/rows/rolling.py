"""Two gateways, one stopped and started after the other under load: callers notice nothing.

The client is the balancer, and the harness says what one has to do: look at `/-/readyz` every so often, send
to those that are ready, and keep no idle connection to the others. DRAIN_DELAY_S is a few of those looks.
"""

import asyncio
import itertools
from collections.abc import Sequence

from chaos import asks
from chaos.client import Client, End
from chaos.figures import tally
from chaos.load import Load
from chaos.stage import Gateway, Stage
from chaos.verdict import Row

_DRAIN_S = 2.0  # shorter than the longest streams, so that some are cut
_LONG_TOKENS = 1000  # 3 s
_PAUSE_S = 0.5  # from one that is ready to the other's stop


class Balancer:
    """Hands requests to the gateways that were ready a moment ago, in turn."""

    def __init__(self, gateways: Sequence[Gateway], every_s: float) -> None:
        self._every_s = every_s
        self._clients = {gateway: Client(gateway.port) for gateway in gateways}
        self._ready = set(gateways)
        self._turn = itertools.count()
        self.none_ready = 0

    async def look(self) -> None:
        await asyncio.gather(*(self._look_at(gateway) for gateway in self._clients))

    def choose(self) -> Client:
        ready = [gateway for gateway in self._clients if gateway in self._ready]
        if not ready:
            self.none_ready += 1
            ready = list(self._clients)
        return self._clients[ready[next(self._turn) % len(ready)]]

    async def _look_at(self, gateway: Gateway) -> None:
        while True:
            if await gateway.status_of("/-/readyz") == 200:
                self._ready.add(gateway)
            else:
                self._ready.discard(gateway)
                self._clients[gateway].close()
            await asyncio.sleep(self._every_s)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


async def rolling(stage: Stage, row: Row) -> None:
    scale = stage.scale
    upstream = await stage.upstream()
    capacity = await stage.capacity(upstream)
    drain = {"DRAIN_DELAY_S": str(scale.drain_delay_s), "DRAIN_S": str(_DRAIN_S)}
    gateways = [await stage.running_gateway(upstream, name, **drain) for name in ("left", "right")]
    balancer = Balancer(gateways, scale.readiness_every_s)
    looking = asyncio.create_task(balancer.look())
    plain = Load(asks.chat, 0.35 * capacity, balancer.choose)
    short = Load(
        lambda draw: asks.chat(draw, "stream", stream=True), 0.05 * capacity, balancer.choose, seed=2
    )
    long = Load(
        lambda draw: asks.chat(draw, "long", stream=True, tokens=_LONG_TOKENS), 0.5, balancer.choose, seed=3
    )
    running = [asyncio.create_task(load.run(3600.0)) for load in (plain, short, long)]
    codes = []
    try:
        for number in range(scale.restarts):
            gateway = gateways[number % 2]
            await asyncio.sleep(_PAUSE_S)
            gateway.process.ask_to_stop()
            codes.append(await gateway.process.ended())
            await gateway.start()
        await asyncio.sleep(_PAUSE_S)
    finally:
        for load in (plain, short, long):
            load.stop()
        await asyncio.gather(*running)
        looking.cancel()
        balancer.close()
    row.equal("restarts that ended with exit code 0", codes.count(0), scale.restarts)
    row.equal("plain requests that failed", sum(not one.is_good for one in plain.outcomes), 0)
    streams = [*short.outcomes, *long.outcomes]
    told = sum(one.how is End.ERROR_EVENT for one in streams)
    row.equal("streams that neither ended nor said why", sum(not one.is_good for one in streams) - told, 0)
    row.equal("requests while nobody was ready", balancer.none_ready, 0)
    row.note(f"{tally(plain.outcomes)}; streams {tally(streams)}")
