"""An object store over a real socket that says what it is told to, byte for byte; and a resolver."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Store:
    def __init__(self) -> None:
        self.heads: list[str] = []
        self.names: list[str | None] = []  # that TLS clients asked for
        self.gone = asyncio.Event()  # a client hung up while it was being answered
        self.reply: Reply = says(PLAIN + b"content-length: 2\r\n\r\nhi")
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await self.reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.transport.abort() if self.gone.is_set() else writer.close()


class Names:
    """A resolver: a list of addresses for each time it is asked, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers) or [["127.0.0.1"]]
        self.asked: list[str] = []

    async def __call__(self, host: str, _: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def says(*pieces: bytes, pause_s: float = 0.0) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return reply


def answer(status: str = "200 OK", body: bytes = b"hi", **headers: str) -> bytes:
    lines = {"content-type": "text/plain", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


async def listening(stack: AsyncExitStack, host: str = "127.0.0.1", port: int = 0, **tls: Any) -> Store:
    store = Store()
    server = await asyncio.start_server(store.serve, host, port, **tls)
    await stack.enter_async_context(server)
    store.port = server.sockets[0].getsockname()[1]
    return store
