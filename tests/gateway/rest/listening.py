"""A listener in front of an application that tells what it was asked."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Place:
    """A listener in front of an application that tells the test what it was asked."""

    asked: list[tuple[str, bytes, dict[bytes, bytes]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answer: Callable[[Any], Any] | None = None  # how it answers instead of at once
    early: bool = False  # it answers before it has read the body
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            if self.early:
                nothing = [(b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 401, "headers": nothing})
                await send({"type": "http.response.body", "body": b""})
                return
            body, more = b"", True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message["body"], message["more_body"]
            self.asked.append((scope["path"], body, dict(scope["headers"])))
            if self.answer is not None:
                await self.answer(send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        finally:
            self.ended.set()

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    async def talk(self, *sent: bytes) -> bytes:
        """All that is answered, up to the end of the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(30):
                for part in sent:
                    writer.write(part)
                    with suppress(ConnectionError):
                        await writer.drain()
                    await asyncio.sleep(0.01)
                return await reader.read()
        finally:
            writer.close()
