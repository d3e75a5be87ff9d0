"""Rates of requests and tokens, in memory and in a Redis that comes and goes."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.rates import Rates, Window, memory_rates, redis_rates
from gateway.domain import Caller, Quota, Role
from gateway.errors import RateLimited

CALLER = Caller("bot", Role.GRADER, 60)
OTHER = Caller("other", Role.GRADER, 60)
THRIFTY = Caller("thrifty", Role.GRADER, 6_000, tokens_per_minute=1_000)


class Server:
    """A redis-server of the test's own, on loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [*words, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("redis-server did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


class Uncounted:
    count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture(params=["memory", "redis"])
async def rates(request: pytest.FixtureRequest) -> AsyncIterator[Rates]:
    if request.param == "memory":
        rates = memory_rates()
    else:
        rates = redis_rates(request.getfixturevalue("server").url, 5.0, Uncounted())
    yield rates
    await rates.close()


async def spent(rates: Rates, caller: Caller) -> Quota:
    quota = await rates.spend(caller)
    assert quota is not None
    return quota


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_minutes_worth_may_come_at_once_and_then_one_must_wait(rates: Rates) -> None:
    assert [(await spent(rates, CALLER)).remaining for _ in range(60)] == [*range(59, -1, -1)]
    with pytest.raises(RateLimited) as refusal:
        await rates.spend(CALLER)
    assert 0 < (refusal.value.retry_after or 0) <= 61.1


async def test_callers_do_not_spend_each_others_rate(rates: Rates) -> None:
    for _ in range(60):
        await rates.spend(CALLER)
    quota = await spent(rates, OTHER)
    assert (quota.limit, quota.remaining, quota.tokens_limit) == (60, 59, 0)
    assert 60 <= quota.reset_s <= 120


async def test_a_key_with_another_limit_is_held_to_it_at_once(rates: Rates) -> None:
    for _ in range(30):
        await rates.spend(CALLER)
    assert (await spent(rates, Caller("bot", Role.GRADER, 100))).remaining == 69
    with pytest.raises(RateLimited):
        await rates.spend(Caller("bot", Role.GRADER, 20))


async def test_tokens_are_charged_before_and_settled_after(rates: Rates) -> None:
    assert (await spent(rates, THRIFTY)).tokens_remaining == 1_000
    await rates.charge(THRIFTY, 400)
    rates.settle(THRIFTY, 250)
    rates.settle(THRIFTY, -50)  # less than was charged: nothing is given back
    assert (await spent(rates, THRIFTY)).tokens_remaining == 350
    with pytest.raises(RateLimited) as refusal:
        await rates.charge(THRIFTY, 351)
    assert (refusal.value.retry_after or 0) > 0
    await rates.charge(THRIFTY, 350)
    with pytest.raises(RateLimited):
        await rates.spend(THRIFTY)


async def test_more_than_the_minute_holds_stays_owed(rates: Rates) -> None:
    await rates.spend(THRIFTY)
    rates.settle(THRIFTY, 1_500)
    with pytest.raises(RateLimited):
        await rates.spend(THRIFTY)


async def test_a_request_larger_than_the_limit_takes_a_whole_minutes_worth(rates: Rates) -> None:
    await rates.charge(THRIFTY, 5_000)
    with pytest.raises(RateLimited):
        await rates.spend(THRIFTY)


async def test_a_batch_is_charged_to_the_key_that_brought_it(rates: Rates) -> None:
    await rates.spend(THRIFTY)
    rates.settle(Caller("thrifty", Role.GRADER, 1), 600)
    assert (await spent(rates, THRIFTY)).tokens_remaining == 400
    rates.settle(OTHER, 600)  # who has no such limit


async def test_processes_that_share_a_redis_share_the_limits(server: Server) -> None:
    one, two = (redis_rates(server.url, 5.0, Uncounted()) for _ in range(2))
    try:
        for _ in range(30):
            await one.spend(CALLER)
        assert (await spent(two, CALLER)).remaining == 29
        await one.spend(THRIFTY)
        one.settle(THRIFTY, 700)
        async with asyncio.timeout(30):
            while (await spent(two, THRIFTY)).tokens_remaining != 300:
                await asyncio.sleep(0.01)
    finally:
        await one.close()
        await two.close()


async def test_while_redis_is_away_everybody_is_let_in_and_counted_and_then_it_counts_again(
    server: Server,
) -> None:
    uncounted = Uncounted()
    rates = redis_rates(server.url, 0.5, uncounted)
    try:
        await spent(rates, THRIFTY)
        server.kill()
        assert await rates.spend(THRIFTY) is None
        began = time.monotonic()
        for _ in range(100):
            assert await rates.spend(THRIFTY) is None
            await rates.charge(THRIFTY, 10)
        assert time.monotonic() - began < 0.4  # nobody asks it
        assert uncounted.count == 201
        rates.settle(THRIFTY, 300)  # kept until it is back
        server.start()
        async with asyncio.timeout(30):
            while (quota := await rates.spend(THRIFTY)) is None:
                await asyncio.sleep(0.05)
        assert quota.tokens_remaining == 700
    finally:
        await rates.close()


async def test_a_redis_that_hangs_holds_nobody_up_for_long() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    uncounted = Uncounted()
    port = silent.sockets[0].getsockname()[1]
    rates = redis_rates(f"redis://127.0.0.1:{port}", 0.1, uncounted)
    try:
        async with asyncio.timeout(10):
            assert await asyncio.gather(*(rates.spend(CALLER) for _ in range(50))) == [None] * 50
        assert uncounted.count == 50
    finally:
        await rates.close()
        silent.close()


async def test_nobody_who_looks_into_redis_reads_a_keys_name(server: Server) -> None:
    rates = redis_rates(server.url, 5.0, Uncounted())
    await rates.spend(THRIFTY)
    await rates.charge(THRIFTY, 5)
    await rates.close()
    keys = subprocess.run(  # noqa: ASYNC221 - nothing else runs
        ["redis-cli", "-p", str(server.port), "keys", "*"], capture_output=True, check=True, timeout=30
    ).stdout
    assert keys.count(b"gateway:{") == 2
    assert b"thrifty" not in keys


@given(
    st.integers(0, 200),
    st.floats(0, 60),
    st.integers(0, 200),
    st.integers(1, 200),
    st.integers(1, 200),
)
def test_after_the_time_that_is_told_there_is_room(
    before: int, before_s: float, current: int, amount: int, limit: int
) -> None:
    current = min(current, limit)
    window = Window(before, before_s, current, before_s + 60)
    wait = window.free_in_s(amount, limit)
    left_s = before_s - wait
    if left_s >= 0:
        later = Window(before, left_s, current, left_s + 60)
    else:  # this window has become the one before
        later = Window(current, max(0.0, 60 + left_s), 0, 0.0)
    assert later.taken <= limit - min(amount, limit) + 1e-6
