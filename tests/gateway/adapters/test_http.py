"""What a peer is told, and what its failures are called."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.adapters.http import Peer
from gateway.errors import BackendError, BackendTimeout, BackendUnavailable, GatewayError
from gateway.urgency import Urgency, urgent
from tests.gateway.adapters.wire_server import HELLO, LONG_S, Act, Server, says, served, silence


@asynccontextmanager
async def talking(server: Act, api_key: str = "k") -> AsyncIterator[Peer]:
    async with served(server) as port:
        peer = Peer(
            "The peer",
            f"http://127.0.0.1:{port}",
            api_key,
            connect_timeout_s=5,
            max_connections=2,
            max_answer_bytes=4_000,
            retry_after_s=7.0,
            trace=lambda: {"traceparent": "00-1"},
        )
        yield peer
        await peer.close()


async def streamed(peer: Peer, silence_s: float = LONG_S) -> bytes:
    async with peer.stream("/ask", b"{}", silence_s) as (_, pieces):
        return await peer.whole(pieces)


async def test_a_peer_is_told_its_key_the_trace_and_how_long_is_left() -> None:
    server = Server(says(HELLO))
    async with talking(server) as peer:
        await peer.exchange("POST", "/ask", b"{}", LONG_S)
        with urgent(Urgency(deadline=asyncio.get_running_loop().time() + 10)):
            assert await streamed(peer) == b"hello"
    plain, urgently = server.requests
    assert b"authorization: Bearer k\r\ntraceparent: 00-1\r\n" in plain
    assert b"x-request-timeout" not in plain
    left = float(urgently.partition(b"x-request-timeout: ")[2].partition(b"\r\n")[0])
    assert 5 < left <= 10


async def test_without_a_key_none_is_sent() -> None:
    server = Server(says(HELLO))
    async with talking(server, api_key="") as peer:
        await peer.exchange("GET", "/see", None, LONG_S)
    assert b"authorization" not in server.requests[0]


@pytest.mark.parametrize(
    ("turn", "error", "says_so"),
    [
        (says(close=True), BackendUnavailable, "The peer cannot be reached."),
        (says(b"garbage"), BackendError, "The peer broke off its answer."),
        (says(HELLO[:-1], close=True), BackendError, "The peer broke off its answer."),
        (
            says(HELLO.replace(b"5", b"5000") + b"x" * 4995, close=True),
            BackendError,
            "The peer's answer is too large.",
        ),
        (silence(), BackendTimeout, "The peer did not answer in time."),
    ],
)
async def test_each_failure_has_its_name(turn: Act, error: type[GatewayError], says_so: str) -> None:
    async with talking(Server(turn)) as peer:
        seconds = 0.1 if error is BackendTimeout else LONG_S
        for ask in (peer.exchange("POST", "/ask", b"{}", seconds), streamed(peer, seconds)):
            with pytest.raises(error) as raised:
                await ask
            assert raised.value.message == says_so


async def test_it_is_known_when_something_last_came() -> None:
    server = Server(silence(), says(HELLO))
    async with talking(server) as peer:
        with pytest.raises(BackendTimeout):
            await peer.exchange("POST", "/ask", b"{}", 0.05)
        assert peer.heard_at < 0
        before = asyncio.get_running_loop().time()
        await peer.exchange("POST", "/ask", b"{}", LONG_S)
        assert peer.heard_at >= before
