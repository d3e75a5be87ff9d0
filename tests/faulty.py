"""A model server over a raw socket that fails as servers do: dies, falls silent, resets, talks nonsense."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.fakes import DONE, chunk, completion

HEALTH, MODELS, CHAT = "/health", "/v1/models", "/v1/chat/completions"
FINE, HOLE, RESET, GARBAGE, HALF, NO_JSON, ERROR, BUSY = (
    "fine",
    "hole",  # takes requests in and says nothing, probes included
    "reset",
    "garbage",  # no HTTP
    "half",  # breaks off within its answer
    "no json",
    "error",  # 500
    "busy",  # 503
)


class FaultyServer:
    """`fault` may be changed at any time. All but a hole answer probes and list their model."""

    def __init__(self, model: str = "tiny", fault: str = FINE) -> None:
        self.model = model
        self.fault = fault
        self.connections = 0
        self.requests: Counter[str] = Counter()  # by path
        self.release = asyncio.Event()  # while it is not set, a chat waits
        self.release.set()
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def chats(self) -> int:
        return self.requests[CHAT]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FaultyServer"]:
        await self.rises()
        try:
            yield self
        finally:
            await self.dies()

    async def rises(self) -> None:
        """On the port that it had."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def dies(self) -> None:
        """Its connections break, and new ones are refused."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._answer(reader, writer)
        except asyncio.CancelledError:
            pass  # it dies
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        length = next(
            (line for line in head.lower().split("\r\n") if line.startswith("content-length:")), ":0"
        )
        body = await reader.readexactly(int(length.partition(":")[2]))
        self.requests[path] += 1
        if self.fault == HOLE:
            await asyncio.Event().wait()
        elif path == MODELS:
            self._say(writer, {"data": [{"id": self.model, "max_model_len": 4096}]})
        elif path == HEALTH:
            self._say(writer, {})
        else:
            await self.release.wait()
            self._chat(writer, streamed=bool(json.loads(body).get("stream")))
        await writer.drain()

    def _chat(self, writer: asyncio.StreamWriter, *, streamed: bool) -> None:
        if self.fault == RESET:
            raise ConnectionError
        if self.fault == GARBAGE:
            writer.write(b"220 mail.example.org ESMTP\r\n")
        elif self.fault in (ERROR, BUSY):
            self._say(writer, {"error": {"message": "internals"}}, 500 if self.fault == ERROR else 503)
        elif self.fault == NO_JSON:
            self._say(writer, "a completion")
        elif streamed or self.fault == HALF:
            event = chunk("Hello")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
            size = len(event) + len(DONE) + (100 if self.fault == HALF else 0)
            writer.write(b"content-length: %d\r\n\r\n" % size + event)
            if self.fault == HALF:
                raise ConnectionError
            writer.write(DONE)
        else:
            self._say(writer, completion("Hello"))

    @staticmethod
    def _say(writer: asyncio.StreamWriter, answer: object, status: int = 200) -> None:
        content = json.dumps(answer).encode()
        writer.write(b"HTTP/1.1 %d -\r\ncontent-length: %d\r\n\r\n" % (status, len(content)) + content)
