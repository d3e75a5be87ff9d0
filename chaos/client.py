"""A caller on bare sockets, so that a thousand requests a second cost little; and what it was answered."""

import asyncio
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import httptools

PATIENCE_S = 30.0  # a client's own; an answer that takes longer counts as none
_IDLE_S = 2.0  # a connection that was idle longer is not used again: less than any server's keep-alive


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, ready to be sent; `name` is that of its kind."""

    name: str
    raw: bytes
    stream: bool = False


class End(StrEnum):
    WHOLE = "whole"  # the answer; of a stream with `[DONE]`
    ERROR_EVENT = "error event"  # a stream that broke and said so
    CUT = "cut"  # an answer that broke off without a word
    NO_ANSWER = "no answer"  # the connection ended before any
    NO_CONNECTION = "no connection"
    TIMEOUT = "timeout"  # PATIENCE_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request; times by the loop's clock, in seconds."""

    name: str
    due: float
    first: float  # when the first byte of the answer came
    end: float
    how: End
    status: int = 0  # 0: there was no head
    code: str = ""  # of an error
    retry_after: float | None = None

    @property
    def seconds(self) -> float:
        return self.end - self.due

    @property
    def is_good(self) -> bool:
        return self.status == 200 and self.how is End.WHOLE

    @property
    def is_shed(self) -> bool:
        """Refused as the contract says: 429 or 503 with the time to come again."""
        return self.status in (429, 503) and self.retry_after is not None and self.how is End.WHOLE


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] | None = None
        self.open = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.open = True

    def connection_lost(self, _: Exception | None) -> None:
        self.open = False
        self._finish()

    async def ask(self, ask: Ask) -> None:
        self.status, self.first, self.whole = 0, 0.0, False
        self.retry_after: float | None = None
        self.body = bytearray()
        self._parser = httptools.HttpResponseParser(self)
        self._done = self._loop.create_future()
        self._transport.write(ask.raw)
        await self._done

    def data_received(self, data: bytes) -> None:
        if not self.first:
            self.first = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, AttributeError):  # AttributeError: bytes before any request
            self.close()

    def close(self) -> None:
        self.open = False
        self._transport.abort()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    # The parser's

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = float(value)

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True
        if not self._parser.should_keep_alive():
            self.open = False
            self._transport.close()
        self._finish()


class Client:
    """Connections to one address. Make it inside the running loop; `close()` ends them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._loop = asyncio.get_running_loop()
        self._idle: list[_Connection] = []

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def ask(self, ask: Ask, due: float | None = None) -> Outcome:
        due = self._loop.time() if due is None else due
        try:
            connection = await self._connection()
        except OSError:
            now = self._loop.time()
            return Outcome(ask.name, due, now, now, End.NO_CONNECTION)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await connection.ask(ask)
            how = _ended(connection, ask)
        except TimeoutError:
            connection.close()
            how = End.TIMEOUT
        now = self._loop.time()
        if connection.open:
            connection.idle_since = now
            self._idle.append(connection)
        code = _code(connection.body) if connection.status >= 400 else ""
        return Outcome(
            ask.name, due, connection.first or now, now, how, connection.status, code, connection.retry_after
        )

    async def body(self, ask: Ask) -> tuple[int, bytes]:
        """Status and body of one answer, for what is looked at and not measured; 0 where there is none."""
        try:
            connection = await self._connection()
            async with asyncio.timeout(PATIENCE_S):
                await connection.ask(ask)
        except (OSError, TimeoutError):
            return 0, b""
        connection.close()
        return connection.status if connection.whole else 0, bytes(connection.body)

    async def _connection(self) -> _Connection:
        now = self._loop.time()
        while self._idle:
            connection = self._idle.pop()
            if connection.open and now - connection.idle_since < _IDLE_S:
                return connection
            if connection.open:
                connection.close()
        _, made = await self._loop.create_connection(_Connection, "127.0.0.1", self.port)
        return made


def _ended(connection: _Connection, ask: Ask) -> End:
    if ask.stream and connection.status == 200:
        tail = bytes(connection.body[-400:])
        if connection.whole and tail.endswith(b"data: [DONE]\n\n"):
            return End.WHOLE
        return End.ERROR_EVENT if b'data: {"error"' in tail and connection.whole else End.CUT
    if connection.whole:
        return End.WHOLE
    return End.CUT if connection.first else End.NO_ANSWER


def _code(body: bytes | bytearray) -> str:
    try:
        told = json.loads(bytes(body))
        inner = told.get("error")
        return str(inner["code"] if isinstance(inner, dict) else told["code"])
    except (ValueError, KeyError, AttributeError):
        return ""
