"""Hours in small: everything at once, a fault every minute. Nothing may grow, and every 5xx has a reason."""

import asyncio
import itertools

from chaos import asks
from chaos.board import Mode
from chaos.client import End, Outcome
from chaos.figures import slope_per_hour, tally
from chaos.load import Load
from chaos.stage import Gateway, Stage, Upstream
from chaos.verdict import Row

_FAULTS: tuple[Mode | None, ...] = (
    None, Mode.RESET, Mode.SILENT, Mode.SLOW, Mode.NOT_HTTP, Mode.NOT_JSON, Mode.HALF, Mode.HANGS, Mode.BUSY,
)  # fmt: skip
_LOOK_S = 1.0
_AFTER_S = 6.0  # what a fault explains: a call that hung is given up after LLM_TIMEOUT_S, 5 s


async def soak(stage: Stage, row: Row) -> None:
    scale, loop = stage.scale, asyncio.get_running_loop()
    upstream = await stage.upstream()
    capacity = await stage.capacity(upstream)
    gateway = await stage.running_gateway(upstream)
    choose = stage.client(gateway)
    lesson = itertools.count()
    loads = [
        Load(asks.chat, 0.35 * capacity, choose),
        Load(lambda draw: asks.chat(draw, "stream", stream=True), 0.05 * capacity, choose, seed=2),
        Load(asks.with_deadline, 2.0, choose, seed=3),
        Load(asks.predict, 20.0, choose, seed=4),
        Load(lambda _: asks.grade(f"Light and water, lesson {next(lesson)}."), 2.0, choose, seed=5),
    ]
    began = loop.time()
    looks: list[tuple[float, int, int]] = []
    watching = asyncio.create_task(_watched(gateway, looks))
    windows: list[tuple[float, float]] = []
    breaking = asyncio.create_task(_broken_now_and_then(stage, upstream, windows, began + scale.soak_s))
    await asyncio.gather(*(load.run(scale.soak_s) for load in loads))
    await breaking
    watching.cancel()
    warm = [look for look in looks if look[0] >= began + scale.warm_s]
    memory = [(at, float(held)) for at, held, _ in warm]
    row.at_most("memory's growth an hour", slope_per_hour(memory), scale.growth_per_hour, "%")
    third = max(1, len(warm) // 3)
    first, last = (sorted(look[2] for look in part)[third // 2] for part in (warm[:third], warm[-third:]))
    row.at_most("descriptors, median of the last third against the first", last - first, 5)
    found = [one for load in loads for one in load.outcomes]
    strange = [one for one in found if not _explained(one, windows)]
    row.equal("answers without an explanation", len(strange), 0)
    row.equal("answers with 500", sum(one.status == 500 for one in found), 0)
    row.holds("the gateway is ready", holds=await gateway.status_of("/-/readyz") == 200)
    row.note(f"{len(windows)} faults in {scale.soak_s:.0f} s; {tally(found)}")
    row.note(f"memory {warm[0][1] / 1e6:.0f} to {warm[-1][1] / 1e6:.0f} MB, descriptors {first} to {last}")
    if strange:
        row.note(f"without an explanation: {tally(strange)}")


def _explained(one: Outcome, windows: list[tuple[float, float]]) -> bool:
    """A good answer, a refusal that says when to come again, the caller's own deadline, or what a fault that
    was under way did."""
    if one.is_good or one.is_shed or one.code == "deadline_exceeded":
        return True
    during = any(begin <= one.end and one.due <= end + _AFTER_S for begin, end in windows)
    if one.how is End.ERROR_EVENT:
        return during
    return during and one.how is End.WHOLE and one.status in (502, 504)


async def _watched(gateway: Gateway, looks: list[tuple[float, int, int]]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        looks.append((loop.time(), gateway.process.memory(), gateway.process.descriptors()))
        await asyncio.sleep(_LOOK_S)


async def _broken_now_and_then(
    stage: Stage, upstream: Upstream, windows: list[tuple[float, float]], until: float
) -> None:
    scale, loop = stage.scale, asyncio.get_running_loop()
    for fault in itertools.cycle(_FAULTS):
        await asyncio.sleep(scale.soak_fault_every_s - scale.soak_fault_s)
        if loop.time() + scale.soak_fault_s + _AFTER_S > until:
            return
        began = loop.time()
        await upstream.break_by(fault)
        await asyncio.sleep(scale.soak_fault_s)
        await upstream.heal()
        windows.append((began, loop.time()))
