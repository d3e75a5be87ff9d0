"""More than the model server can take: what is admitted stays quick, what is refused is refused at once."""

import asyncio

from chaos import asks
from chaos.figures import between, goodput, p, percentile, tally
from chaos.load import Load
from chaos.stage import Stage
from chaos.verdict import Row

_RAMP_S = (
    3.0  # in which a limit that begins at 64 is found: the queue of the first second has to be worked off
)


async def overload(stage: Stage, row: Row) -> None:
    scale = stage.scale
    loop = asyncio.get_running_loop()
    upstream = await stage.upstream()
    capacity = await stage.capacity(upstream)
    # The default, 2, holds the median within twice the unloaded; here it is the slowest of a hundred.
    gateway = await stage.running_gateway(upstream, ADAPTIVE_TOLERANCE="1.5")
    choose = stage.client(gateway)
    await Load(asks.chat, 20, choose, seed=9).run(2.0)
    await asyncio.sleep(1.0)
    idle = gateway.process.memory()
    calm = await Load(asks.chat, scale.unloaded * capacity, choose).run(scale.unloaded_s)
    unloaded = p(0.99, (one for one in calm if one.is_good))
    row.note(
        f"C = {capacity:.0f}/s; unloaded p50 {p(0.5, calm) * 1000:.0f} ms, p99 {unloaded * 1000:.0f} ms; "
        f"idle {idle / 1e6:.0f} MB"
    )
    for times in scale.overloads:
        began = loop.time()
        found = await Load(asks.chat, times * capacity, choose, seed=times).run(scale.overload_s)
        over = began + scale.overload_s
        good = [one for one in found if one.is_good and one.due >= began + _RAMP_S]
        refused = [one for one in found if one.is_shed]
        name = f"{times}x C: "
        row.at_least(
            name + "goodput of C",
            goodput(found, began + _RAMP_S, over) / capacity,
            scale.least_goodput,
            "%",
        )
        row.at_most(name + "admitted p99", p(0.99, good), scale.most_slower * unloaded, "ms")
        row.at_most(
            name + "refusals p99", percentile((one.seconds for one in refused), 0.99), scale.refusal_s, "ms"
        )
        row.equal(
            name + "neither answered nor refused with Retry-After",
            len(found) - len(refused) - sum(one.is_good for one in found),
            0,
        )
        row.at_most(name + "memory of idle", gateway.process.memory() / idle, scale.most_memory)
        row.note(
            f"{name}{tally(found)}; refusals p50 {p(0.5, refused) * 1000:.1f} ms; admitted p50 "
            f"{p(0.5, good) * 1000:.0f} ms"
        )
    began = loop.time()
    found = await Load(asks.chat, scale.unloaded * capacity, choose, seed=99).run(
        scale.settled_s + scale.unloaded_s
    )
    settled = between(found, began + scale.settled_s, loop.time())
    row.at_most("after the spike: p99", p(0.99, settled), scale.settled_within * unloaded, "ms")
    row.equal("after the spike: not good", sum(not one.is_good for one in settled), 0)
