"""Real gateway processes: how they end, share a port, and answer machines without a key."""

import asyncio
import itertools
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fakes import FakeUpstream, chunk

KEY = "k"
PATIENCE_S = 30.0


def free_port(count: int = 1) -> int:
    """The first of so many free ones in a row."""
    while True:
        port = random.randrange(10_000, 30_000)  # below those that the kernel gives away
        with ExitStack() as stack, suppress(OSError):
            for at in range(count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port + at))
            return port


@dataclass
class Process:
    port: int
    environment: dict[str, str]
    arguments: tuple[str, ...]
    process: asyncio.subprocess.Process = field(init=False)
    said: bytearray = field(default_factory=bytearray)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway", "serve", *self.arguments),
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen(self.process))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self.said += line

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        code = await asyncio.wait_for(self.process.wait(), PATIENCE_S)
        await self._listening
        return code


@dataclass
class Street:
    """Gateways in front of one model server, and a client."""

    http: aiohttp.ClientSession
    upstream: FakeUpstream
    open: Callable[..., Any]

    async def status(self, url: str, path: str = "/-/readyz") -> int:
        """0 where nobody answers."""
        try:
            async with self.http.get(url + path) as answer:
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def until(self, url: str, status: int, path: str = "/-/readyz") -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.status(url, path) != status:
                await asyncio.sleep(0.02)

    def ask(self, url: str, *, stream: bool = False) -> Any:
        body = {"model": "tiny", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        headers = {"authorization": f"Bearer {KEY}"}
        return self.http.post(f"{url}/v1/chat/completions", json=body, headers=headers)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        upstream = FakeUpstream()
        llm_url = await stack.enter_async_context(upstream.running())

        async def opened(*arguments: str, ready: bool = True, **settings: str) -> Process:
            port = int(settings.pop("PORT", 0)) or free_port()
            folder = tmp_path / str(port)
            folder.mkdir(exist_ok=True)
            environment = {
                "PORT": str(port),
                "RPC_PORT": "0",
                "API_KEY": KEY,
                "MASK_PERSONAL_DATA": "false",
                "API_KEYS_FILE": str(folder / "keys.json"),
                "DATABASE_URL": f"sqlite:///{folder / 'store.db'}",
                "LLM_URL": llm_url,
                **settings,
            }
            process = Process(port, environment, arguments)
            await process.start()
            stack.push_async_callback(gone, process)
            if ready:
                await here.until(process.url, 200)
            return process

        async def gone(process: Process) -> None:
            if process.process.returncode is None:
                process.process.kill()
                await process.ended()

        http = await stack.enter_async_context(aiohttp.ClientSession())
        here = Street(http, upstream, opened)
        yield here


def gate(pieces: int = 1) -> tuple[asyncio.Event, asyncio.Event, Any]:
    """A model server's answer that has begun, one that may go on, and how it answers."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    usual = FakeUpstream.says("done")

    async def reply(request: web.Request, body: Any) -> web.StreamResponse:
        if body.get("max_tokens") == 1:  # readiness
            return await usual(request, body)
        begun.set()
        await go_on.wait()
        return await usual(request, body)

    return begun, go_on, reply


async def test_what_is_under_way_is_answered_and_says_that_it_is_the_last(street: Street) -> None:
    begun, go_on, street.upstream.reply = gate()
    gateway = await street.open(DRAIN_DELAY_S="2")
    asking = asyncio.create_task(street.ask(gateway.url).__aenter__())
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    gateway.stop()
    await street.until(gateway.url, 503)  # still open, and not ready
    await street.until(gateway.url, 0)  # closed
    go_on.set()
    answer = await asyncio.wait_for(asking, PATIENCE_S)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert (await answer.json())["choices"][0]["message"]["content"] == "done"
    assert await gateway.ended() == 0


async def test_a_request_on_a_kept_connection_is_answered_while_the_process_ends(street: Street) -> None:
    gateway = await street.open(DRAIN_DELAY_S="2", KEEP_ALIVE_S="60")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    _, idle = await asyncio.open_connection("127.0.0.1", gateway.port)
    health = b"GET /-/healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    writer.write(health)
    first = await asyncio.wait_for(reader.readuntil(b'"}'), PATIENCE_S)
    assert b"connection: close" not in first
    gateway.stop()
    await street.until(gateway.url, 503)
    writer.write(health)
    last = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert last.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in last
    assert await gateway.ended() == 0  # the idle connection, which would be kept for a minute, is closed
    writer.close()
    idle.close()


async def test_a_stream_that_does_not_end_is_told_why_it_is_broken_off(street: Street) -> None:
    street.upstream.reply = street.upstream.hangs(chunk("to be continued"))
    gateway = await street.open(DRAIN_S="0.3", ready=False)
    await street.until(gateway.url, 200, "/-/healthz")
    async with street.ask(gateway.url, stream=True) as answer:
        events = answer.content
        assert b"to be continued" in await asyncio.wait_for(events.readuntil(b"\n\n"), PATIENCE_S)
        gateway.stop()
        rest = await asyncio.wait_for(events.read(), PATIENCE_S)  # a cut would raise
    assert b'"code":"overloaded"' in rest
    assert b"[DONE]" not in rest
    assert await gateway.ended() == 0
    await asyncio.wait_for(street.upstream.cancelled.wait(), PATIENCE_S)


async def test_a_second_signal_ends_it_at_once_with_an_answer(street: Street) -> None:
    begun, _, street.upstream.reply = gate()
    gateway = await street.open(DRAIN_DELAY_S="60", DRAIN_S="60")
    asking = asyncio.create_task(street.ask(gateway.url).__aenter__())
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    gateway.stop(signal.SIGINT)
    await street.until(gateway.url, 503)
    await asyncio.sleep(0.7)  # sooner it would be the same signal, heard twice
    gateway.stop()
    answer = await asyncio.wait_for(asking, PATIENCE_S)
    assert (answer.status, (await answer.json())["error"]["code"]) == (503, "overloaded")
    assert await gateway.ended() == 0


async def test_gateways_are_restarted_in_turn_and_no_request_fails(street: Street) -> None:
    """A client that asks whoever is ready, as a balancer does."""
    gateways = [await street.open(DRAIN_DELAY_S="0.5") for _ in range(2)]
    ready = {gateway.url: True for gateway in gateways}
    statuses: list[int] = []
    over = asyncio.Event()

    async def watch() -> None:
        while not over.is_set():
            for url in ready:
                ready[url] = await street.status(url) == 200
            await asyncio.sleep(0.05)

    async def keep_asking(first: int) -> None:
        for turn in itertools.count(first):
            if over.is_set():
                return
            url = gateways[turn % 2].url
            await asyncio.sleep(0.02)
            if not ready[url]:
                continue
            try:
                async with street.ask(url) as answer:
                    await answer.read()
                    statuses.append(answer.status)
            except aiohttp.ClientError:
                statuses.append(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        for first in range(2):
            group.create_task(keep_asking(first))
        for gateway in gateways:
            before = len(statuses)
            gateway.stop()
            assert await gateway.ended() == 0
            await gateway.start()
            await street.until(gateway.url, 200)
            assert len(statuses) > before
        over.set()
    assert set(statuses) == {200}


async def test_grpc_says_that_it_is_not_serving_before_it_closes(street: Street) -> None:
    rpc = free_port()
    gateway = await street.open(RPC_PORT=str(rpc), DRAIN_DELAY_S="2")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{rpc}") as channel:
        await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)
        health = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest()
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING
        gateway.stop()
        await street.until(gateway.url, 503)
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await gateway.ended() == 0


async def test_machines_read_probes_and_metrics_on_a_port_without_a_key(street: Street) -> None:
    beside = free_port()
    gateway = await street.open(METRICS_PORT=str(beside), DRAIN_DELAY_S="0.1", DRAIN_S="5")
    begun, go_on, street.upstream.reply = gate()
    url = f"http://127.0.0.1:{beside}"
    async with street.http.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        assert "gateway_connections_refused_total" in await answer.text()
    assert await street.status(url) == 200
    assert await street.status(url, "/-/healthz") == 200
    assert await street.status(url, "/v1/models") == 404
    assert await street.status(gateway.url, "/metrics") == 401
    async with street.http.post(f"{url}/metrics") as answer:
        assert answer.status == 405
    asking = asyncio.create_task(street.ask(gateway.url).__aenter__())
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    gateway.stop()
    await street.until(gateway.url, 0)
    assert await street.status(url) == 503  # to the last
    assert await street.status(url, "/-/healthz") == 200
    go_on.set()
    assert (await asyncio.wait_for(asking, PATIENCE_S)).status == 200
    assert await gateway.ended() == 0


@pytest.mark.parametrize("name", ["PORT", "RPC_PORT", "METRICS_PORT"])
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_port_that_is_taken_is_named_and_nothing_is_served(
    street: Street, name: str, workers: str
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = str(stranger.getsockname()[1])
        gateway = await street.open("--workers", workers, ready=False, **{name: taken})
        assert await gateway.ended() == 1
    assert f"{name}".encode() in gateway.said


async def test_workers_share_the_port_are_replaced_and_end_together(street: Street) -> None:
    metrics, rpc = free_port(2), free_port()
    ports = {"METRICS_PORT": str(metrics), "RPC_PORT": str(rpc)}
    gateway = await street.open("--workers", "2", DRAIN_DELAY_S="0.2", **ports)
    for port in (metrics, metrics + 1):
        await street.until(f"http://127.0.0.1:{port}", 200)
    for _ in range(60):  # each on a connection of its own
        async with aiohttp.ClientSession() as http, http.get(f"{gateway.url}/-/healthz") as answer:
            assert answer.status == 200
    counts = [await answers_of(street, metrics + i) for i in range(2)]
    assert min(counts) > 0, counts
    assert sum(counts) >= 60

    pids = children(gateway.process.pid)
    assert len(pids) == 2
    os.kill(pids[0], signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        while len(children(gateway.process.pid)) != 2 or pids[0] in children(gateway.process.pid):
            await asyncio.sleep(0.05)
    for port in (metrics, metrics + 1):
        await street.until(f"http://127.0.0.1:{port}", 200)
    async with street.ask(gateway.url) as answer:
        assert answer.status == 200
    async with grpc.aio.insecure_channel(f"127.0.0.1:{rpc}") as channel:
        await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)

    begun, go_on, street.upstream.reply = gate()
    asking = asyncio.create_task(street.ask(gateway.url).__aenter__())
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    gateway.stop()
    await street.until(gateway.url, 0)
    go_on.set()
    assert (await asyncio.wait_for(asking, PATIENCE_S)).status == 200
    assert await gateway.ended() == 0
    assert b"worker" in gateway.said


async def answers_of(street: Street, port: int) -> float:
    """How many health checks a worker answered on the shared port."""
    async with street.http.get(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("gateway_requests_total{") and 'route="/-/healthz"' in line
    )


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_workers_that_die_at_once_are_given_up(street: Street) -> None:
    """Their store's address is a folder that cannot be: they fail at the same place each time."""
    gateway = await street.open("--workers", "2", ready=False)
    killed: set[int] = set()
    async with asyncio.timeout(PATIENCE_S):
        while gateway.process.returncode is None:
            with suppress(OSError):
                for pid in children(gateway.process.pid):
                    if pid not in killed:
                        killed.add(pid)
                        os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.05)
    assert await gateway.ended() == 1
    assert b"giving up" in gateway.said
    assert len(killed) <= 9


async def test_workers_end_when_their_parent_is_killed(street: Street) -> None:
    gateway = await street.open("--workers", "2")
    gateway.process.kill()
    await gateway.process.wait()
    await street.until(gateway.url, 0)
