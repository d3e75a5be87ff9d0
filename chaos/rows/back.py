"""The model server comes back: it is used again soon, and was not asked more often than callers asked."""

import asyncio

from chaos import asks
from chaos.board import Field, Mode
from chaos.figures import between, from_then_on, tally
from chaos.load import Load
from chaos.stage import Stage
from chaos.verdict import Row

_WAYS: tuple[tuple[str, Mode | None], ...] = (("killed", None), ("busy", Mode.BUSY), ("half", Mode.HALF))


async def back(stage: Stage, row: Row) -> None:
    scale, loop = stage.scale, asyncio.get_running_loop()
    upstream = await stage.upstream()
    capacity = await stage.capacity(upstream)
    gateway = await stage.running_gateway(upstream)
    choose = stage.client(gateway)
    for name, fault in _WAYS:
        before = upstream.board[Field.CHATS]
        load = Load(asks.chat, scale.back_load * capacity, choose)
        running = asyncio.create_task(load.run(2.0 + scale.fault_s + scale.back_s + scale.after_s))
        await asyncio.sleep(2.0)
        await upstream.break_by(fault)
        await asyncio.sleep(scale.fault_s)
        healed = loop.time()
        await upstream.heal()
        found = await running
        well = from_then_on(between(found, healed, loop.time()), lambda one: one.is_good, scale.back_share)
        row.at_most(
            f"{name}: {scale.back_share:.0%} good after",
            None if well is None else well - healed,
            scale.back_s,
            "s",
        )
        seen = upstream.board[Field.CHATS] - before
        row.at_most(
            f"{name}: asked of the upstream for each request", seen / len(found), scale.most_amplified
        )
        row.note(f"{name}: {tally(found)}")
        await asyncio.sleep(3.0)
