"""A server that does to an HTTP client whatever a test says."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any

import pytest
import uvloop

from gateway.adapters.connection import Connection
from gateway.adapters.wire import Wire

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'2;name="value"\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0;last\r\nx-trailer: 1\r\n\r\n'
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
TO_ITS_END = b"HTTP/1.1 200 OK\r\nserver: old\r\n\r\nhello"  # without a length
LONG_S = 30.0
MOST = 1 << 20


Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Does with each request on a connection what its turn is, the last one for ever; then closes it."""

    def __init__(self, *turns: Act) -> None:
        self.turns = list(turns)
        self.connections = 0
        self.requests: list[bytes] = []
        self.left = asyncio.Event()  # a client closed a connection

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError:
                    self.left.set()
                    break
                _, found, length = head.partition(b"content-length: ")
                self.requests.append(
                    head + await reader.readexactly(int(length.split(b"\r")[0]) if found else 0)
                )
                turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
                await turn(reader, writer)
        writer.close()


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """uvloop serves, asyncio tests, and their transports differ. (pytest-asyncio lets a loop be chosen for
    all tests or for none.)"""

    @wraps(test)
    def whole(loops: Callable[[Coroutine[Any, Any, None]], None], **arguments: Any) -> None:
        loops(test(**arguments))

    loops = Parameter("loops", Parameter.KEYWORD_ONLY)
    whole.__signature__ = Signature([*signature(test).parameters.values(), loops])  # type: ignore[attr-defined]
    both = pytest.mark.parametrize("loops", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    marked: Callable[..., None] = both(whole)
    return marked


@asynccontextmanager
async def served(server: Act, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[int]:
    """The port where each connection is the server's until the test is over."""
    open_now: set[asyncio.Task[None] | None] = set()

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(asyncio.current_task())
        with suppress(asyncio.CancelledError, ConnectionError):
            await server(reader, writer)
        writer.transport.abort()
        open_now.discard(asyncio.current_task())

    listening = await asyncio.start_server(whole, host, 0, **options)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in filter(None, list(open_now)):
            task.cancel()
        while open_now:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)  # transports say goodbye a turn of the loop later


@asynccontextmanager
async def talking(
    server: Act, *, path: str = "", places: int = 4, headers: dict[str, str] | None = None
) -> AsyncIterator[Wire]:
    async with served(server) as port:
        wire = Wire(
            f"http://127.0.0.1:{port}{path}", headers or {}, connect_timeout_s=5, max_connections=places
        )
        try:
            yield wire
        finally:
            await wire.close()


def says(*pieces: bytes, close: bool = False, reset: bool = False) -> Act:
    """Answers with these pieces, each in a packet of its own as far as that can be had."""

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if reset:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")  # zero seconds: RST, not FIN
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if close or reset:
            raise ConnectionAbortedError

    return act


def silence(left: asyncio.Event | None = None) -> Act:
    """Says nothing until the client leaves, which `left` tells."""

    async def act(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        if left is not None:
            left.set()
        raise ConnectionAbortedError

    return act


async def asked(wire: Wire, body: bytes | None = b"{}", timeout_s: float = LONG_S) -> tuple[int, bytes]:
    return await wire.exchange("POST", "/ask", body, {}, timeout_s=timeout_s, most_bytes=MOST)


async def streamed(wire: Wire, silence_s: float = LONG_S) -> tuple[int, bytes]:
    answer = await wire.begin("/ask", b"{}", {}, silence_s=silence_s)
    try:
        return answer.status, await rest(answer)
    finally:
        wire.give_back(answer)


async def rest(answer: Connection) -> bytes:
    """Of a stream, to its end."""
    parts = []
    while piece := await answer.piece():
        parts.append(piece)
    return b"".join(parts)
