"""The HTTP client's connections: what is asked on which, for how long, and how they end; under both event
loops, since one serves and the other one tests. Over 250 lines: one question below the other."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from shutil import which

import pytest

from gateway.adapters import wire as wire_module
from gateway.adapters.connection import NoAnswer
from gateway.adapters.wire import Wire
from tests.gateway.adapters.wire_server import (
    CHUNKED,
    HELLO,
    INTERIM,
    LONG_S,
    MOST,
    Server,
    asked,
    on_both_loops,
    says,
    served,
    silence,
    streamed,
    talking,
)

# What is asked, and on which connection


@on_both_loops
async def test_a_request_is_one_head_and_its_body() -> None:
    server = Server(says(HELLO))
    async with talking(server, path="/base/", headers={"authorization": "Bearer k"}) as wire:
        trace = {"traceparent": "00-1"}
        await wire.exchange("POST", "/ask", b"{}", trace, timeout_s=LONG_S, most_bytes=MOST)
        await wire.exchange("GET", "/see", None, {}, timeout_s=LONG_S, most_bytes=MOST)
    post, get = (request.split(b"\r\n") for request in server.requests)
    assert post[0] == b"POST /base/ask HTTP/1.1"
    assert post[1].startswith(b"host: 127.0.0.1:")
    assert post[2:] == [b"authorization: Bearer k", b"traceparent: 00-1", b"content-length: 2", b"", b"{}"]
    assert get[0] == b"GET /base/see HTTP/1.1"
    assert get[2:] == [b"authorization: Bearer k", b"", b""]


@on_both_loops
@pytest.mark.parametrize("evil", ["v\r\nx-admin: 1", "v\nx: 1", "v\0", "\u0416"])
async def test_a_value_cannot_begin_a_header_of_its_own(evil: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Wire("http://127.0.0.1:1", {"authorization": evil}, connect_timeout_s=1, max_connections=1)
    server = Server(says(HELLO))
    async with talking(server) as wire:
        with pytest.raises(ValueError, match="one line"):
            await wire.exchange("GET", "/", None, {"x-v": evil}, timeout_s=LONG_S, most_bytes=MOST)
        with pytest.raises(ValueError, match="visible"):
            await wire.exchange("GET", f"/{evil}", None, {}, timeout_s=LONG_S, most_bytes=MOST)
    assert server.requests == []


@pytest.mark.parametrize("url", ["ftp://h", "127.0.0.1:80", "http://", "http://h/a b", "http://h:99999"])
async def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        Wire(url, {}, connect_timeout_s=1, max_connections=1)


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (HELLO, 1),
        (CHUNKED, 1),
        (INTERIM + HELLO, 1),
        (HELLO.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"), 2),
        (HELLO.replace(b"1.1", b"1.0"), 2),
        (HELLO + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", 2),
        (HELLO + b"evil", 2),
    ],
)
async def test_a_connection_is_used_again_where_its_answer_ends_cleanly(
    answer: bytes, connections: int
) -> None:
    server = Server(says(answer))
    async with talking(server) as wire:
        assert await asked(wire) == (200, b"hello")
        assert await streamed(wire) == (200, b"hello")
    assert server.connections == connections


@on_both_loops
async def test_what_comes_unasked_ends_the_connection() -> None:
    came = asyncio.Event()

    async def more(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        await came.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")

    server = Server(more, says(HELLO))
    async with talking(server) as wire:
        assert await asked(wire) == (200, b"hello")
        came.set()
        async with asyncio.timeout(LONG_S):
            await server.left.wait()
        assert await asked(wire) == (200, b"hello")
    assert server.connections == 2


@on_both_loops
async def test_a_fresh_connection_is_not_replaced_and_neither_is_one_that_has_answered_a_byte() -> None:
    server = Server(says(close=True))
    async with talking(server) as wire:
        with pytest.raises(NoAnswer):
            await asked(wire)
    assert len(server.requests) == 1
    server = Server(says(HELLO), says(b"H", close=True))
    async with talking(server) as wire:
        await asked(wire)
        with pytest.raises(NoAnswer):
            await asked(wire)
    assert len(server.requests) == 2


@on_both_loops
async def test_idle_connections_are_left_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "_KEEP_ALIVE_S", 0.05)
    monkeypatch.setattr(wire_module, "_SWEEP_S", 0.05)
    server = Server(says(HELLO))
    async with talking(server) as wire:
        await asked(wire)
        async with asyncio.timeout(LONG_S):
            await server.left.wait()
        assert await asked(wire) == (200, b"hello")
    assert server.connections == 2


@on_both_loops
async def test_no_more_connections_than_there_are_places() -> None:
    let_go = asyncio.Event()

    async def later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_go.wait()
        writer.write(HELLO)

    server = Server(later)
    async with talking(server, places=2) as wire:
        first = [asyncio.create_task(asked(wire)) for _ in range(5)]
        await asyncio.sleep(0)  # they ask before anybody else
        with pytest.raises(TimeoutError):
            await asked(wire, timeout_s=0.05)
        with pytest.raises(TimeoutError):
            await streamed(wire, silence_s=0.05)
        let_go.set()
        assert await asyncio.gather(*first) == [(200, b"hello")] * 5
    assert server.connections == 2


# Time


@on_both_loops
async def test_a_silent_server_is_left_in_time() -> None:
    left = asyncio.Event()
    server = Server(silence(left))
    async with talking(server) as wire:
        for ask in (asked(wire, timeout_s=0.05), streamed(wire, silence_s=0.05)):
            left.clear()
            with pytest.raises(TimeoutError):
                await ask
            async with asyncio.timeout(LONG_S):
                await left.wait()
    assert len(server.requests) == 2


@asynccontextmanager
async def dripping() -> AsyncIterator[Wire]:
    """A wire to a server that says a byte every 20 ms, 50 of them."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n")
        assert not reader.at_eof()
        for _ in range(50):
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with talking(Server(drip)) as wire:
        yield wire


@on_both_loops
async def test_a_slow_answer_is_not_waited_for_beyond_the_whole_time() -> None:
    async with dripping() as wire:
        with pytest.raises(TimeoutError):
            await asked(wire, timeout_s=0.3)


@on_both_loops
async def test_a_slow_stream_lasts_as_long_as_it_is_not_silent() -> None:
    async with dripping() as wire:
        assert await streamed(wire, silence_s=0.7) == (200, b"." * 50)


@on_both_loops
async def test_a_stream_that_falls_silent_gives_what_came_and_then_up() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO[:-1])
        await silence()(reader, writer)

    async with talking(Server(stall)) as wire:
        answer = await wire.begin("/ask", b"{}", {}, silence_s=0.1)
        assert await answer.piece() == b"hell"
        with pytest.raises(TimeoutError):
            await answer.piece()
        wire.give_back(answer)


@on_both_loops
async def test_a_long_timeout_before_does_not_delay_a_short_one() -> None:
    server = Server(says(HELLO), silence())
    async with talking(server) as wire:
        await asked(wire, timeout_s=1000)
        with pytest.raises(TimeoutError):
            await asked(wire, timeout_s=0.05)
    assert server.connections == 1


@on_both_loops
async def test_a_server_that_is_not_there_is_no_answer() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wire = Wire(f"http://127.0.0.1:{port}", {}, connect_timeout_s=5, max_connections=1)
    with pytest.raises(NoAnswer):
        await asked(wire)
    nowhere = Wire("http://no-such-host.invalid", {}, connect_timeout_s=5, max_connections=1)
    with pytest.raises(NoAnswer):
        await asked(nowhere)


@on_both_loops
async def test_a_connection_that_is_not_made_in_time_is_no_answer_and_at_the_deadline_a_timeout() -> None:
    """A handshake that nobody answers stands in for a packet that nobody answers."""
    async with served(silence()) as port:
        wire = Wire(f"https://127.0.0.1:{port}", {}, connect_timeout_s=0.05, max_connections=1)
        with pytest.raises(NoAnswer):
            await asked(wire)
        with pytest.raises(TimeoutError):
            await asked(wire, timeout_s=0.01)
        await wire.close()


# Leaving


@on_both_loops
@pytest.mark.parametrize("ask", [asked, streamed])
async def test_whoever_is_cancelled_closes_the_connection(ask: Callable[[Wire], Awaitable[object]]) -> None:
    left, begun = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await silence(left)(reader, writer)

    async with talking(Server(wait)) as wire:
        asking = asyncio.ensure_future(ask(wire))
        async with asyncio.timeout(LONG_S):
            await begun.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await left.wait()


@on_both_loops
async def test_a_stream_that_is_left_half_read_closes_the_connection() -> None:
    left = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO[:-1])
        await silence(left)(reader, writer)

    async with talking(Server(endless)) as wire:
        answer = await wire.begin("/ask", b"{}", {}, silence_s=LONG_S)
        assert await answer.piece() == b"hell"
        wire.give_back(answer)
        async with asyncio.timeout(LONG_S):
            await left.wait()


@on_both_loops
async def test_a_slow_reader_slows_its_server_down_and_loses_nothing() -> None:
    """Also for longer than the silence that is allowed: who was told to pause is not silent."""
    size, sent, stuck = 64 << 20, 0, asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65_536)
            sent += 65_536
            try:
                async with asyncio.timeout(0.3):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
                await writer.drain()

    async with talking(Server(flood)) as wire:
        answer = await wire.begin("/ask", b"{}", {}, silence_s=0.2)
        async with asyncio.timeout(LONG_S):
            await stuck.wait()
        assert sent < 32 << 20  # what sockets hold
        read = 0
        while piece := await answer.piece():
            assert len(piece) <= 1 << 20
            read += len(piece)
        assert read == size
        wire.give_back(answer)


@on_both_loops
async def test_closing_ends_what_is_under_way_and_what_comes_after() -> None:
    async with talking(Server(silence())) as wire:
        asking = asyncio.create_task(asked(wire))
        await asyncio.sleep(0.05)
        await wire.close()
        with pytest.raises(NoAnswer):
            await asking
        with pytest.raises(NoAnswer):
            await asked(wire)


# Addresses


@on_both_loops
@pytest.mark.parametrize("host", ["localhost", "[::1]"])
async def test_names_and_ipv6_addresses_are_reached(host: str) -> None:
    server = Server(says(HELLO))
    async with served(server, "::1" if host == "[::1]" else "127.0.0.1") as port:
        wire = Wire(f"http://{host}:{port}", {}, connect_timeout_s=5, max_connections=1)
        assert await asked(wire) == (200, b"hello")
        await wire.close()
    assert server.requests[0].split(b"\r\n")[1] == f"host: {host}:{port}".encode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of an authority of our own: what its clients know, and what its server has."""
    openssl = which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    ask = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=here")
    subject = ("-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        [openssl, *ask, *subject, "-keyout", key, "-out", made], check=True, capture_output=True, timeout=30
    )
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(made, key)
    return ssl.create_default_context(cafile=str(made)), own


@on_both_loops
async def test_https_is_spoken_to_whom_the_authorities_vouch_for(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    known, own = certificate
    async with served(Server(says(CHUNKED)), ssl=own) as port:
        trusting = Wire(f"https://127.0.0.1:{port}", {}, connect_timeout_s=5, max_connections=1, tls=known)
        assert await asked(trusting) == (200, b"hello")
        assert await streamed(trusting) == (200, b"hello")
        await trusting.close()
        wary = Wire(f"https://127.0.0.1:{port}", {}, connect_timeout_s=5, max_connections=1)
        with pytest.raises(NoAnswer):
            await asked(wary)
        await wary.close()
