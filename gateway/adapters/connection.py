"""One connection of wire.py: a request and its answer at a time.

httptools (llhttp, what Node.js uses) parses. The errors say whether somebody else may be asked.
"""

import asyncio
import math
from dataclasses import dataclass, field
from typing import cast

import httptools

_MOST_UNREAD = 1 << 18  # bytes of a stream that wait for a slow reader; then its peer waits too
_MOST_WITHOUT_BODY = 1 << 16  # bytes of head, trailers or chunk extensions before a byte of body
# A request that crosses the news of its connection's end meets it within a round trip; a peer that leaves
# later has worked on it.
_MOMENT_S = 0.1


class NoAnswer(ConnectionError):
    """Nobody is there, or left the moment it was asked. It can be asked once more elsewhere."""


class BrokenAnswer(ConnectionError):
    """No whole answer of HTTP came, or none at all from a peer that had the request for longer than a moment.
    Who knows what was done for it."""


class LargeAnswer(BrokenAnswer):
    """The answer is larger than the bound."""


@dataclass(slots=True)
class Address:
    """What the connections to it have in common."""

    resting: "dict[Connection, float]" = field(default_factory=dict)  # since when, the longest first
    heard_at: float = -math.inf  # by the loop's clock: the last byte from any of them


class Connection(asyncio.Protocol):
    """One request and its answer at a time. What comes is parsed and kept until somebody takes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: Address) -> None:
        self.status = 0  # of the answer, once its head is there
        self.heard = False  # a byte of the answer came
        self.reused = False
        self._loop = loop
        self._address = address
        self._transport: asyncio.Transport | None = None  # None: the connection is no more
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._under_way = False  # a request was written, and its answer is not whole
        self._lasts = False  # the peer keeps the connection
        self._paused = False
        self._parts: list[bytes] = []  # of the answer, which nobody has taken

    # What the pool does with it

    def ask(
        self, request: tuple[bytes, ...], deadline: float, silence_s: float | None, most_bytes: int | None
    ) -> None:
        """Writes a request, head and body in one write. Its answer is waited for until `deadline`, or for
        `silence_s` after each piece; with `most_bytes` it is waited for as a whole of at most so many. All
        that is known of an answer begins anew here: nothing of the one before reaches another caller."""
        self.status, self.heard = 0, False
        self._error: Exception | None = None
        self._deadline, self._silence_s, self._most_bytes = deadline, silence_s, most_bytes
        self._has_length = self._lasts = self._paused = False
        self._size = self._unread = self._without_body = 0
        self._parts = []
        self._asked_at = self._last = self._loop.time()
        self._under_way = True
        if self._transport is None:
            self._fail("it is closed")
            return
        self._arm(deadline)
        self._transport.writelines(request)

    async def begun(self) -> None:
        """Returns when the head is there, or the whole where that was asked for. Raises NoAnswer,
        BrokenAnswer, TimeoutError."""
        whole = self._most_bytes is not None
        while self._under_way and (whole or not self.status):
            await self._something()
        if self._error is not None and (whole or not self.status):
            raise self._error  # of a stream whose head is there, `piece` does: first comes what came

    async def piece(self) -> bytes:
        """What came since the last one; empty at the answer's end. Raises BrokenAnswer, TimeoutError."""
        while not self._parts:
            if self._error is not None:
                raise self._error
            if not self._under_way:
                return b""
            await self._something()
        return self.taken()

    def taken(self) -> bytes:
        """What is there, which is then no longer kept."""
        parts, self._parts, self._unread = self._parts, [], 0
        if self._paused and self._transport is not None:
            self._paused, self._last = False, self._loop.time()
            if not self._transport.is_closing():  # uvloop's would raise
                self._transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def can_rest(self) -> bool:
        """The answer is whole and taken, the request was written to its end, and the peer keeps the
        connection. Bytes that nobody took would be the beginning of the next caller's answer."""
        transport = self._transport
        return (
            transport is not None
            and not self._under_way
            and self._lasts
            and not self._parts
            and not self._paused
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )

    def leave(self) -> None:
        """Closes it at once: that is how a peer learns that nobody waits for its answer any more."""
        self._address.resting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        if self._under_way and self._error is None:
            self._fail("it was left")

    async def _something(self) -> None:
        """Waits for the next thing to happen."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, why: str, error: type[Exception] | None = None) -> None:
        """Ends the request under way; the connection is left."""
        self._under_way = False
        self._error = (error or (BrokenAnswer if self.status else NoAnswer))(why)
        self.leave()
        self._wake()

    # Time. A timer for each piece, or for each request, would cost more than parsing it: there is one, which
    # looks when it fires whether it is due, and is set again where it is not.

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if not self._under_way:
            return
        now, due = self._loop.time(), self._deadline
        if self._silence_s is not None:
            # A peer that was told to pause is not silent.
            due = (now if self._paused else self._last) + self._silence_s
        if now < due:
            self._arm(due)
        else:
            self._fail("no answer in time", TimeoutError)

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are, but do not say so

    def data_received(self, data: bytes) -> None:
        if not self._under_way:
            self.leave()  # nobody asked
            return
        self.heard = True
        self._last = self._address.heard_at = self._loop.time()
        self._without_body += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._lasts = False
            if self._under_way:
                self._fail("that is not HTTP", BrokenAnswer)
                return
        if self._most_bytes is not None and self._size > self._most_bytes:
            self._fail("it is too large", LargeAnswer)
        elif not self._under_way:
            self._wake()
        elif self._without_body > _MOST_WITHOUT_BODY:
            self._fail("its head has no end", BrokenAnswer)
        elif self._most_bytes is None:
            if self._unread > _MOST_UNREAD and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            if self.status:
                self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._under_way and self.status and not self._has_length and error is None:
            self._under_way = False  # an answer without a length ends with its connection
            self._wake()
        elif self._under_way:
            worked = self._loop.time() - self._asked_at > _MOMENT_S
            self._fail("it was closed", BrokenAnswer if worked else None)
        self.leave()

    # What the parser tells

    def on_message_begin(self) -> None:
        if not self._under_way:
            # Ends the parsing: what comes behind an answer is none.
            raise ValueError("two answers to one request")
        self._has_length = False

    def on_header(self, name: bytes, _: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # below, another head follows
            self.status = status
            self._lasts = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._unread += len(body)
        self._size += len(body)
        self._without_body = 0

    def on_message_complete(self) -> None:
        self._under_way = not self.status
