"""A model server that breaks in every way: it is left alone soon, and nothing else feels it."""

import asyncio
import math
from dataclasses import dataclass

from chaos import asks
from chaos.board import Field, Mode
from chaos.client import End, Outcome
from chaos.figures import between, from_then_on, p, percentile, tally
from chaos.load import Load
from chaos.processes import NotThere, until
from chaos.scale import Scale
from chaos.stage import Gateway, Stage, Upstream
from chaos.verdict import Row

# What it is called, how it is done (None: kill -9), and whether every call fails, so that the breaker opens.
FAULTS: tuple[tuple[str, Mode | None, bool], ...] = (
    ("killed", None, True),
    ("reset", Mode.RESET, True),
    ("black hole", Mode.SILENT, True),
    ("slow", Mode.SLOW, False),  # it answers; the adaptive limit sheds what it cannot take
    ("not HTTP", Mode.NOT_HTTP, True),
    ("not JSON", Mode.NOT_JSON, True),
    ("another shape", Mode.WRONG_SHAPE, True),
    ("half an answer", Mode.HALF, True),
    ("hangs after the head", Mode.HANGS, False),  # its /health is well: the deadline is what ends it
)
_DEADLINES = 5.0  # requests a second with X-Request-Timeout: 1
_OTHERS = 50.0  # predictions a second
_ASKED_S = 1.0
_NOISE = 2  # sockets: a page that is being asked for


async def faults(stage: Stage, row: Row) -> None:
    await some_faults(stage, row, FAULTS)


async def some_faults(stage: Stage, row: Row, chosen: tuple[tuple[str, Mode | None, bool], ...]) -> None:
    upstream = await stage.upstream()
    capacity = await stage.capacity(upstream)
    gateway = await stage.running_gateway(upstream)
    choose = stage.client(gateway)
    for make in (asks.predict, asks.chat, asks.with_deadline):  # what is loaded once is no leak
        await Load(make, 20, choose).run(1.0)
    await asyncio.sleep(6.0)  # idle connections are closed after 5 s
    for name, fault, opens in chosen:
        quiet = gateway.process.sockets(), gateway.process.connections_to(upstream.port)
        seen = await _played(stage, upstream, gateway, capacity, fault)
        _judged(row, stage.scale, f"{name}: ", seen, opens=opens)
        took = await _quiet_again(stage, row, gateway, upstream, quiet)
        row.at_most(f"{name}: nothing leaked after", took, stage.scale.leak_s, "s")


@dataclass(frozen=True, slots=True)
class _Seen:
    """By callers, and when the fault began and ended."""

    began: float
    broken: float
    healed: float
    asked: list[Outcome]  # chats and streams
    deadlines: list[Outcome]
    others: list[Outcome]


async def _played(
    stage: Stage, upstream: Upstream, gateway: Gateway, capacity: float, fault: Mode | None
) -> _Seen:
    scale, loop = stage.scale, asyncio.get_running_loop()
    choose = stage.client(gateway)
    chats = Load(asks.chat, scale.fault_load * capacity, choose)
    streams = Load(lambda draw: asks.chat(draw, "stream", stream=True), 0.05 * capacity, choose, seed=2)
    deadlines = Load(asks.with_deadline, _DEADLINES, choose, seed=3)
    others = Load(asks.predict, _OTHERS, choose, seed=4)
    seconds = scale.before_s + scale.fault_s + scale.after_s
    began = loop.time()
    running = asyncio.gather(*(load.run(seconds) for load in (chats, streams, deadlines, others)))
    await asyncio.sleep(scale.before_s)
    broken = loop.time()
    await upstream.break_by(fault)
    await asyncio.sleep(scale.fault_s)
    healed = loop.time()
    await upstream.heal()
    await running
    asked = chats.outcomes + streams.outcomes
    return _Seen(began, broken, healed, asked, deadlines.outcomes, others.outcomes)


def _judged(row: Row, scale: Scale, told: str, seen: _Seen, *, opens: bool) -> None:
    began, broken, healed = seen.began, seen.broken, seen.healed
    during = between(seen.asked, broken, healed)
    if opens:
        opened = from_then_on(during, lambda one: _is_quick(one, scale.open_refusal_s))
        row.at_most(told + "breaker", None if opened is None else opened - broken, scale.breaker_s, "s")
        late = between(during, broken + scale.breaker_s, healed)
        row.at_most(told + "then refused p99", p(0.99, late), scale.open_refusal_s, "ms")
    else:
        refused = [one.seconds for one in during if one.is_shed] or [0.0]  # nobody need be refused
        row.at_most(told + "refusals p99", percentile(refused, 0.99), scale.open_refusal_s, "ms")
    in_time = between(seen.deadlines, broken, healed)
    row.at_most(told + "deadline of 1 s, longest", p(1.0, in_time), _ASKED_S + scale.deadline_s, "s")
    early = [one.seconds for one in in_time if one.code == "deadline_exceeded"]
    if early:
        row.at_least(told + "deadline, soonest 504", min(early), _ASKED_S - scale.deadline_s, "s")
    calm = p(0.95, between(seen.others, began, broken))
    busy = p(0.95, between(seen.others, broken, healed))
    bound = calm * scale.others_within + scale.others_noise_s
    row.at_most(told + "predictions p95", busy, bound, "ms")
    row.equal(told + "predictions that failed", sum(not one.is_good for one in seen.others), 0)
    silent = sum(one.how not in (End.WHOLE, End.ERROR_EVENT) for one in seen.asked)
    row.equal(told + "answers cut without a word", silent, 0)
    well = from_then_on(between(seen.asked, healed, math.inf), lambda one: one.is_good, 0.95)
    row.at_most(told + "well again after", None if well is None else well - healed, scale.back_s, "s")
    row.note(f"{told}{tally(during)}; predictions p95 {calm * 1000:.1f} before, {busy * 1000:.1f} ms during")


def _is_quick(one: Outcome, bound_s: float) -> bool:
    return one.status == 503 and one.retry_after is not None and one.seconds <= bound_s


async def _quiet_again(
    stage: Stage, row: Row, gateway: Gateway, upstream: Upstream, quiet: tuple[int, int]
) -> float | None:
    """Seconds until there are no more sockets and connections than before; None where that never is."""
    left: list[int] = []

    async def holds() -> bool:
        sockets, connections = gateway.process.sockets(), gateway.process.connections_to(upstream.port)
        waiting = upstream.board[Field.WAITING]
        left[:] = [sockets - quiet[0], connections - quiet[1], waiting]
        return left[0] <= _NOISE and left[1] <= 0 and waiting <= 0

    try:
        return await until(holds, stage.scale.leak_s, "nothing is left of a fault")
    except NotThere:
        row.note(f"left: {left[0]} sockets, {left[1]} connections to the upstream, {left[2]} that wait there")
        return None
