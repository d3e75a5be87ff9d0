"""A request as large as they may be, beside small ones: nobody waits long for the event loop."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.fakes import FakeAnalyzer
from tests.gateway.conftest import KEY, Running

PROSE = ("plain words here and there, " * 8_000)[:200_000]
NAMES = ("Zaphod Beeblebrox and Ford Prefect met again. " * 5_000)[:200_000]
SENT = {
    "prose": {"messages": [{"role": "user", "content": PROSE}]},
    "names": {"messages": [{"role": "user", "content": NAMES}]},
    "cyrillic": {"messages": [{"role": "user", "content": "обычные слова, " * 13_000}]},
    "five long messages": {"messages": [{"role": "user", "content": PROSE}] * 5},
}


class Elsewhere(FakeAnalyzer):
    """Looks for names beside the loop, as the real one does in its processes."""

    async def analyze(self, passages: Any, policy: Any) -> Any:
        return await asyncio.to_thread(lambda: [self._spans(passage.text) for passage in passages])


def a_million_numbers() -> float:
    """How long adding them takes here: 15 to 25 ms, the measure of everything below."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        sum(range(1_000_000))
        times.append(time.perf_counter() - began)
    return min(times)


async def longest_hold(work: Callable[[], Any]) -> float:
    """The longest that the loop came late to a heartbeat, seconds."""
    longest, over = 0.0, asyncio.Event()

    async def beat() -> None:
        nonlocal longest
        while not over.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    beating = asyncio.create_task(beat())
    await work()
    over.set()
    await beating
    return longest


@pytest.mark.parametrize("name", SENT)
async def test_the_largest_request_holds_the_loop_no_longer_than_a_sum(
    start: Callable[..., Any], name: str
) -> None:
    running: Running = await start(
        Elsewhere({"Zaphod Beeblebrox": "PERSON", "Ford Prefect": "PERSON"}), requests_per_minute=1_000_000
    )
    body = orjson.dumps({"model": "tiny", **SENT[name]})

    async def ask() -> None:
        url, headers = f"{running.url}/v1/chat/completions", {"authorization": f"Bearer {KEY}"}
        async with running.http.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200
            await answer.read()

    await ask()
    unit = a_million_numbers()
    holds = [await longest_hold(ask) for _ in range(5)]
    assert min(holds) < 2 * unit, (holds, unit)
