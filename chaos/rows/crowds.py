"""What others do must not be felt: a flood of wrong keys, a request of 100,000 tokens."""

import asyncio
import random

from chaos import asks
from chaos.board import Field
from chaos.client import Ask, Outcome
from chaos.figures import p, percentile, tally
from chaos.load import Load
from chaos.stage import Stage
from chaos.verdict import Row


def _stranger(draw: random.Random) -> Ask:
    return asks.ask(
        "stranger",
        "POST",
        "/v1/chat/completions",
        {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]},
        key=f"gw-{draw.getrandbits(128):032x}",
    )


async def flood(stage: Stage, row: Row) -> None:
    scale = stage.scale
    upstream = await stage.upstream()
    capacity = await stage.capacity(upstream)
    gateway = await stage.running_gateway(upstream)
    known = stage.client(gateway)
    await Load(asks.chat, 20, known, seed=9).run(2.0)
    alone = await Load(asks.chat, scale.unloaded * capacity, known).run(scale.flood_s)
    before = upstream.board[Field.CHATS]
    beside = Load(asks.chat, scale.unloaded * capacity, known, seed=2)
    strangers = Load(_stranger, scale.flood_rate, stage.client(gateway), seed=3)
    await asyncio.gather(beside.run(scale.flood_s), strangers.run(scale.flood_s))
    reached = upstream.board[Field.CHATS] - before - len(beside.outcomes)
    row.equal("strangers that reached the upstream", reached, 0)
    row.equal("strangers not refused with 401", sum(one.status != 401 for one in strangers.outcomes), 0)
    row.equal("valid requests that failed", sum(not one.is_good for one in beside.outcomes), 0)
    calm = p(0.99, alone)
    row.at_most("valid p99", p(0.99, beside.outcomes), scale.flood_within * calm, "ms")
    row.note(
        f"{len(strangers.outcomes) / scale.flood_s:.0f} strangers a second, answered p99 "
        f"{p(0.99, strangers.outcomes) * 1000:.1f} ms; valid p99 alone {calm * 1000:.0f} ms"
    )


def _first_byte(outcomes: list[Outcome], share: float) -> float:
    return percentile((one.first - one.due for one in outcomes), share)


async def big(stage: Stage, row: Row) -> None:
    scale, loop = stage.scale, asyncio.get_running_loop()
    upstream = await stage.upstream()
    capacity = await stage.capacity(upstream)
    gateway = await stage.running_gateway(upstream)
    choose = stage.client(gateway)

    def stream(draw: random.Random) -> Ask:
        return asks.chat(draw, "stream", stream=True)

    await Load(stream, 20, choose, seed=9).run(2.0)
    alone = await Load(stream, 0.2 * capacity, choose).run(scale.big_s)
    small = Load(stream, 0.2 * capacity, choose, seed=2)
    running = asyncio.create_task(small.run(scale.big_s))
    draw, large = random.Random(4), []
    until = loop.time() + scale.big_s
    while loop.time() < until:
        large.append(await choose().ask(_large(draw, scale.big_bytes)))
    await running
    row.at_least("large requests answered", sum(one.is_good for one in large), 1)
    row.equal("large requests that failed", sum(not one.is_good for one in large), 0)
    row.equal("small streams that failed", sum(not one.is_good for one in small.outcomes), 0)
    for what, calm, beside in (
        ("first byte", _first_byte(alone, 0.99), _first_byte(small.outcomes, 0.99)),
        ("whole", p(0.99, alone), p(0.99, small.outcomes)),
    ):
        row.at_most(f"small streams p99, {what}", beside, scale.big_within * calm, "ms")
    row.note(
        f"large: {tally(large)}, p50 {p(0.5, large) * 1000:.0f} ms; small p50 first byte "
        f"{_first_byte(alone, 0.5) * 1000:.0f} alone, {_first_byte(small.outcomes, 0.5) * 1000:.0f} ms beside"
    )


def _large(draw: random.Random, size: int) -> Ask:
    """Of four messages, because one may not hold as much; each another text: nothing is remembered."""
    texts = [asks.words(draw, size // 24) for _ in range(4)]
    messages = [{"role": "user", "content": text} for text in texts]
    return asks.ask(
        "large", "POST", "/v1/chat/completions", {"model": "tiny", "messages": messages, "max_tokens": 4}
    )
