"""Servers that die, fall silent, reset, talk nonsense: over real sockets, with the real adapter of one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.adapters import connection as connection_module
from gateway.adapters.replica import Probing
from gateway.adapters.replica_pool import ReplicasPolicy
from gateway.adapters.replicas import ChatReplicas
from gateway.adapters.vllm import VLLM
from gateway.breaker import BreakerPolicy
from gateway.domain import Priority
from gateway.errors import BackendBusy, BackendError, BackendTimeout, BackendUnavailable, GatewayError
from gateway.health import State
from gateway.urgency import Urgency, urgent
from tests.fakes import DONE
from tests.faulty import BUSY, ERROR, GARBAGE, HALF, HEALTH, HOLE, MODELS, NO_JSON, RESET, FaultyServer

BODY, STREAMED = b'{"model": "tiny"}', b'{"model": "tiny", "stream": true}'
WITHIN_S = 30.0
# Probes may take as long as they like, but where a test is about them.
PATIENT = Probing(every_s=0.05, timeout_s=WITHIN_S)
BREAKER = BreakerPolicy(failures=3, open_s=0.2, open_max_s=0.4)


class Account:
    """What was told."""

    def __init__(self) -> None:
        self.opened: Counter[int] = Counter()
        self.open: dict[int, bool] = {}
        self.retries: Counter[str] = Counter()
        self.refused = 0

    def breaker(self, server: str, replica: int, *, is_open: bool) -> None:
        assert server == "llm"
        self.open[replica] = is_open
        self.opened[replica] += is_open

    def retried(self, what: str) -> None:
        self.retries[what] += 1

    def retry_refused(self, server: str) -> None:
        assert server == "llm"
        self.refused += 1


class Setup:
    def __init__(self, chats: ChatReplicas, told: Account, servers: list[FaultyServer]) -> None:
        self.chats = chats
        self.told = told
        self.servers = servers

    async def ask(self) -> str:
        """How a chat ended: `ok` or the error's name."""
        try:
            answer = await self.chats.complete(BODY, WITHIN_S)
        except GatewayError as error:
            return type(error).__name__
        assert b"Hello" in answer
        return "ok"

    async def read(self, timeout_s: float = WITHIN_S) -> bytes:
        """A stream to its end, which its reader looks for, as the line does."""
        async with self.chats.stream(STREAMED, timeout_s) as pieces:
            events = b"".join([piece async for piece in pieces])
            if not events.endswith(DONE):
                raise BackendError("It was broken off.")
            return events

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not true():
                await asyncio.sleep(0.01)


Start = Callable[..., Awaitable[Setup]]


@pytest.fixture(autouse=True)
def moment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reset is at once, however slow this machine is."""
    if "dies_of" not in request.node.name and "black_hole_is" not in request.node.name:
        monkeypatch.setattr(connection_module, "_MOMENT_S", WITHIN_S)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(
            *servers: FaultyServer,
            breaker: BreakerPolicy = BREAKER,
            probing: Probing = PATIENT,
            retry_budget: float = 0.2,
        ) -> Setup:
            for server in servers:
                await stack.enter_async_context(server.running())
            told = Account()
            backends = [VLLM(server.url, "", connect_timeout_s=2.0, max_connections=64) for server in servers]
            chats = ChatReplicas(backends, ReplicasPolicy(breaker, probing, retry_budget), told)
            stack.push_async_callback(chats.close)
            return Setup(chats, told, list(servers))

        yield started


@pytest.mark.parametrize(
    ("fault", "error"),
    [(RESET, "BackendUnavailable"), (GARBAGE, "BackendError"), (HALF, "BackendError"),
     (NO_JSON, "BackendError"), (ERROR, "BackendError")],
)  # fmt: skip
async def test_a_failing_server_is_left_alone_and_nothing_reaches_it(
    start: Start, fault: str, error: str
) -> None:
    here = await start(
        FaultyServer(fault=fault), breaker=BreakerPolicy(failures=3, open_s=600, open_max_s=600)
    )
    (server,) = here.servers
    assert [await here.ask() for _ in range(3)] == [error] * 3
    assert here.told.open == {0: True}
    chats, models = server.chats, server.requests[MODELS]
    for _ in range(50):
        with pytest.raises(BackendUnavailable) as refused:
            await here.chats.complete(BODY, WITHIN_S)
        assert refused.value.retry_after is not None
        assert refused.value.retry_after >= 1
        with pytest.raises(BackendUnavailable):
            await here.chats.served_model()
    assert (server.chats, server.requests[MODELS]) == (chats, models)


async def test_one_that_dies_is_left_alone_and_asked_again_soon_after_its_return(start: Start) -> None:
    here = await start(FaultyServer())
    (server,) = here.servers
    assert await here.ask() == "ok"
    await server.dies()
    while not here.told.open[0]:
        assert await here.ask() == "BackendUnavailable"
    assert [one.state for one in here.chats.replicas] == [State.DOWN]
    await server.rises()
    await here.until(lambda: not here.told.open[0])
    assert await here.ask() == "ok"
    assert [one.state for one in here.chats.replicas] == [State.UP]


async def test_a_server_that_answers_probes_and_fails_calls_is_tried_with_a_few(start: Start) -> None:
    here = await start(FaultyServer(fault=ERROR))
    (server,) = here.servers
    for _ in range(3):
        await here.ask()
    for _ in range(3):
        await here.until(lambda: not here.told.open[0])
        before = server.chats
        assert await here.ask() == "BackendError"
        assert here.told.open[0]
        assert server.chats == before + 1
    server.fault = "fine"
    await here.until(lambda: not here.told.open[0])
    assert [await here.ask() for _ in range(5)] == ["ok"] * 5


async def test_a_black_hole_is_found_while_its_first_call_waits(start: Start) -> None:
    here = await start(FaultyServer(), probing=Probing(every_s=0.05, timeout_s=0.3))
    (server,) = here.servers
    assert await here.ask() == "ok"
    server.fault = HOLE
    waiting = asyncio.create_task(here.ask())
    await here.until(lambda: here.told.open[0])
    chats = server.chats
    assert await here.ask() == "BackendUnavailable"
    assert server.chats == chats
    assert not waiting.done()  # its answer may come yet
    await server.dies()
    assert await waiting == "BackendError"  # it had the request for longer than a moment


async def test_who_waits_for_a_silent_servers_model_is_told_when_it_is_left_alone(start: Start) -> None:
    here = await start(FaultyServer(fault=HOLE), probing=Probing(every_s=0.05, timeout_s=0.2))
    with pytest.raises(BackendUnavailable):
        async with asyncio.timeout(8):  # the listing's own timeout is 10 s
            await here.chats.served_model()
    assert here.told.opened == {0: 1}


async def test_a_slow_answer_is_no_black_hole_and_an_idle_server_is_not_probed(start: Start) -> None:
    here = await start(FaultyServer(), probing=Probing(every_s=0.02, timeout_s=WITHIN_S))
    (server,) = here.servers
    server.release.clear()
    slow = asyncio.create_task(here.ask())
    await here.until(lambda: server.requests[HEALTH] >= 3)
    assert not here.told.open[0]
    server.release.set()
    assert await slow == "ok"
    await asyncio.sleep(0)
    probes = server.requests[HEALTH]
    for _ in range(5):
        assert await here.ask() == "ok"
        await asyncio.sleep(0.03)
    assert server.requests[HEALTH] <= probes + 1  # the one that was due when the slow answer came


async def test_of_two_the_one_that_dies_costs_nobody_an_answer(start: Start) -> None:
    here = await start(FaultyServer(), FaultyServer())
    first, second = here.servers
    assert [await here.ask() for _ in range(20)] == ["ok"] * 20
    assert first.chats == second.chats == 10
    await second.dies()
    assert [await here.ask() for _ in range(40)] == ["ok"] * 40
    assert here.told.open == {0: False, 1: True}
    assert here.told.retries["llm"] <= BREAKER.failures
    await second.rises()
    await here.until(lambda: not here.told.open[1])
    before = second.chats
    assert [await here.ask() for _ in range(10)] == ["ok"] * 10
    assert second.chats == before + 5


async def test_the_less_loaded_is_asked(start: Start) -> None:
    here = await start(FaultyServer(), FaultyServer())
    first, second = here.servers
    first.release.clear()
    held = [asyncio.create_task(here.ask()) for _ in range(3)]
    await here.until(lambda: first.chats + second.chats == 3)
    busy = first.chats
    assert [await here.ask() for _ in range(6)] == ["ok"] * 6
    assert first.chats == busy
    first.release.set()
    assert await asyncio.gather(*held) == ["ok"] * 3


async def test_a_refusal_goes_to_another_server_and_alone_it_is_told(start: Start) -> None:
    here = await start(FaultyServer(fault=BUSY), FaultyServer(), retry_budget=1.0)
    assert [await here.ask() for _ in range(10)] == ["ok"] * 10
    assert here.told.open == {0: False, 1: False}
    alone = await start(FaultyServer(fault=BUSY), retry_budget=1.0)
    with pytest.raises(BackendBusy):
        await alone.chats.complete(BODY, WITHIN_S)
    assert alone.servers[0].chats == 1


async def test_a_server_in_trouble_is_asked_a_fifth_more_and_not_twice_as_much(start: Start) -> None:
    never = BreakerPolicy(failures=10_000, least=10_000)
    here = await start(FaultyServer(fault=RESET), breaker=never)
    for _ in range(50):
        assert await here.ask() == "BackendUnavailable"
    (server,) = here.servers
    assert server.chats == 50 + here.told.retries["llm"]
    assert server.chats <= 1.2 * 50
    assert here.told.refused == 50 - here.told.retries["llm"]


async def test_a_call_whose_time_is_over_before_the_pause_is_not_tried_again(start: Start) -> None:
    here = await start(FaultyServer(fault=RESET))
    loop = asyncio.get_running_loop()
    with urgent(Urgency(Priority.LIVE, loop.time() + 0.005)):
        assert await here.ask() == "BackendUnavailable"
    assert here.told.retries == {}


async def kept(here: Setup, count: int) -> None:
    """So many connections rest at the first server."""
    (server,) = here.servers
    server.release.clear()
    asking = [asyncio.create_task(here.ask()) for _ in range(count)]
    await here.until(lambda: server.chats == count)
    server.release.set()
    assert await asyncio.gather(*asking) == ["ok"] * count
    server.requests.clear()


async def test_a_prompt_that_a_server_dies_of_is_fed_to_it_once(start: Start) -> None:
    here = await start(FaultyServer(), retry_budget=1.0)
    (server,) = here.servers
    await kept(here, 5)
    for ask in (here.chats.complete(BODY, WITHIN_S), here.read()):
        server.release.clear()
        server.fault, before = RESET, server.chats
        dying = asyncio.create_task(ask)
        await here.until(lambda before=before: server.chats > before)  # type: ignore[misc]
        await asyncio.sleep(0.25)  # it works
        server.release.set()
        with pytest.raises(BackendError):
            await dying
        assert server.chats == before + 1
        server.fault = "fine"
    assert here.told.retries == {}


async def test_one_that_leaves_at_once_is_asked_twice_however_many_connections_were_kept(
    start: Start,
) -> None:
    here = await start(FaultyServer(), retry_budget=1.0)
    (server,) = here.servers
    await kept(here, 5)
    server.fault = RESET
    assert await here.ask() == "BackendUnavailable"
    assert server.chats == 2
    assert here.told.retries["llm"] == 1


@pytest.mark.parametrize("fault", [HALF, HOLE])
async def test_nothing_is_tried_again_after_a_first_byte_or_a_timeout(start: Start, fault: str) -> None:
    here = await start(FaultyServer(fault=fault), FaultyServer(fault=fault), retry_budget=1.0)
    for server in here.servers:
        server.fault = "fine"
    await here.ask()  # both are known by now
    await here.ask()
    for server in here.servers:
        server.fault = fault
    before = sum(server.chats for server in here.servers)
    with pytest.raises(BackendError if fault == HALF else BackendTimeout):
        await here.chats.complete(BODY, 0.3)
    with pytest.raises(BackendError if fault == HALF else BackendTimeout):
        await here.read(0.3)
    assert sum(server.chats for server in here.servers) == before + 2
    assert here.told.retries == {}


async def test_half_a_stream_counts_and_a_stream_goes_elsewhere_before_its_head(start: Start) -> None:
    here = await start(FaultyServer(fault=HALF))
    for _ in range(BREAKER.failures):
        with pytest.raises(BackendError):
            await here.read()
    assert here.told.open == {0: True}
    two = await start(FaultyServer(fault=RESET), FaultyServer(), retry_budget=1.0)
    for _ in range(6):
        assert b"Hello" in await two.read()


async def test_who_leaves_a_stream_or_waits_no_longer_blames_nobody(start: Start) -> None:
    here = await start(FaultyServer(), probing=Probing(every_s=WITHIN_S, timeout_s=WITHIN_S))
    (server,) = here.servers
    for _ in range(2 * BREAKER.failures):
        async with here.chats.stream(STREAMED, WITHIN_S) as pieces:
            async for _ in pieces:
                break
    server.fault = HOLE
    loop = asyncio.get_running_loop()
    for _ in range(2 * BREAKER.failures):
        with urgent(Urgency(Priority.LIVE, loop.time() + 0.02)), pytest.raises(BackendTimeout):
            await here.chats.complete(BODY, 0.02)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await here.chats.complete(BODY, WITHIN_S)
    assert here.told.open == {0: False}
    assert not here.chats._pool.in_flight


async def test_a_replica_of_another_model_is_left_out_until_it_serves_the_same(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    here = await start(FaultyServer(), FaultyServer(model="other"))
    first, second = here.servers
    assert (await here.chats.served_model()).name == "tiny"
    assert [await here.ask() for _ in range(6)] == ["ok"] * 6
    assert (first.chats, second.chats) == (6, 0)
    assert [record.getMessage() for record in caplog.records] == [
        "replica 1 of llm serves something else than the others and is left out"
    ]
    await first.dies()
    while not here.told.open[0]:
        await here.ask()
    assert (await here.chats.served_model()).name == "other"  # there is nothing else
    assert await here.ask() == "ok"


async def test_at_work_is_who_answered_and_is_asked_or_did_so_a_moment_ago(start: Start) -> None:
    here = await start(FaultyServer())
    assert not here.chats.at_work(WITHIN_S)
    await here.ask()
    assert here.chats.at_work(WITHIN_S)
    assert not here.chats.at_work(0.0)
    await here.chats.alive(WITHIN_S)
    await here.servers[0].dies()
    with pytest.raises(BackendUnavailable):
        await here.chats.alive(WITHIN_S)
