"""One connection of HTTP/1.1: uvicorn's, with the bounds that it lacks.

What a proxy in front could read in another way is refused and the connection closed, so that nobody's request
hides in somebody else's (https://www.rfc-editor.org/rfc/rfc9112#section-11.2). llhttp, which parses, refuses
most of it; it lets through what is looked at here: encodings before `chunked`, a `Transfer-Encoding` of
HTTP/1.0, twice the same header, trailers (uvicorn would add them to the head), extensions of chunks without
end, and the body of an upgrade that is not made, which it would read as the next request.

A connection has one timer, which looks at what it waits for and sleeps again; a usual request sets none.

Over 250 lines: what one connection can be in, and how each of that ends.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.errors import BodyTimeout, GatewayError, Overloaded
from gateway.rest.entrance import Entrance, Fault, malformed, refusal, too_large

_TARGET_BYTES = 8_192
_HEADER_LINES = 100
_PIPELINED = 16  # requests that wait for the answer to the one before them
_CHUNKS_COST = 1 << 16  # bytes that chunks may add to a body, beside as many as the body has
_LINGER_S = 2.0  # reading on behind a refusal: a connection closed on unread bytes is reset, and it is lost
_TICK_S = 0.002  # what a timer may come too early: its clock has milliseconds
_TURNED_AWAY = 64  # connections over the limit that are told so at once; more are cut
# A second one of these is read by one server and not by the next. The numbers are bits.
_ONCE: Final = {
    b"host": 1,
    b"authorization": 2,
    b"content-length": 4,
    b"transfer-encoding": 8,
    b"content-encoding": 16,
    b"expect": 32,
}
_OF_UPGRADES = (b"upgrade", b"http2-settings")


class Connection(HttpToolsProtocol):
    # In slots: beyond 30 attributes Python looks each one up in a dictionary, 2 us of a request.
    __slots__ = (
        "_begun",
        "_bounds",
        "_carried",
        "_chunked",
        "_deaf",
        "_ends_at",
        "_entrance",
        "_fed",
        "_head_bytes",
        "_head_since",
        "_keep",
        "_quiet_since",
        "_running",
        "_seen",
        "_stalled_since",
        "_timer",
        "_unsent",
        "_upgrading",
        "_wire",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        entrance: Entrance,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._entrance = entrance
        self._bounds = entrance.bounds
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None  # the request that is being answered
        self._unsent = 0  # bytes of an answer that were not taken when it was last looked
        self._deaf = False  # what still comes is thrown away
        # Times by the loop's clock, 0 while there is no such time.
        self._quiet_since = self._head_since = self._stalled_since = self._ends_at = 0.0
        # Of the message that is parsed.
        self._begun = False  # its head is not whole
        self._fed = 0  # bytes of this feed that may belong to the head; -1: there was a message before it
        self._head_bytes = 0  # of feeds before
        self._seen = 0  # bits of _ONCE
        self._keep = False  # the connection, behind the answer
        self._upgrading = False
        self._chunked = False
        self._wire = self._carried = 0  # bytes of a chunked body: as they came, and what they held

    @property
    def busy(self) -> bool:
        """Something is asked, or is about to be."""
        return self._begun or (self._running is not None and not self._running.response_complete)

    # What the transport tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        over = len(self.connections) - self._bounds.connections
        if over > 0:
            self._entrance.refused("full")
            if over > _TURNED_AWAY:
                self._deaf = True
                transport.abort()
                return
            self._linger(Overloaded("Too many connections are open.", retry_after=1.0), 503)
            return
        self._quiet_since = self.loop.time()
        self._look_at(self._quiet_since + self._bounds.keep_alive_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.pipeline.clear()
        # uvicorn tells the request that came last, which may be waiting behind this one.
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)
        self._entrance.left.set()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._fed = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as broken:
            cause = broken.__context__
            self._refuse(cause if isinstance(cause, Fault) else malformed("This is not HTTP/1.1."))
            return
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without(data[upgrade.args[0] :])
            return
        if self._begun:
            self._slow_head()
        elif self._chunked:
            self._wire += len(data)
            if self._wire - 2 * self._carried > _CHUNKS_COST:
                self._refuse(malformed("The chunks hold next to nothing."))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self.loop.time()
        self._unsent = self.transport.get_write_buffer_size()
        self._look_at(self._stalled_since + self._bounds.write_timeout_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = 0.0

    # What the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = True
        self._head_bytes = self._seen = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._begun:
            raise malformed("Trailers are not taken.")
        name = name.lower()
        bit = _ONCE.get(name)
        if bit is not None:
            self._once(name, value, bit)
        headers = self.headers
        headers.append((name, value))
        if len(headers) > _HEADER_LINES:
            raise too_large(f"The head has more than {_HEADER_LINES} lines.")

    def _once(self, name: bytes, value: bytes, bit: int) -> None:
        if self._seen & bit:
            raise malformed(f"'{name.decode()}' is given twice.")
        self._seen |= bit
        if name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise malformed("'transfer-encoding' must be chunked and nothing else.")
            self._chunked = True
            self._wire = self._carried = 0
        elif name == b"expect":
            # RFC 9110 10.1.1: of HTTP/1.0 it is not heard.
            self.expect_100_continue = (
                value.lower() == b"100-continue" and self.parser.get_http_version() != "1.0"
            )

    def on_headers_complete(self) -> None:
        self._begun = False
        if len(self.url) > _TARGET_BYTES:
            raise too_large(f"The target is longer than {_TARGET_BYTES} bytes.", 414)
        if not 0 <= self._head_bytes + self._fed <= self._bounds.header_bytes:
            self._check_size()  # with what may be its body, it is larger than a head
        version = self.parser.get_http_version()
        if version != "1.1" and (version != "1.0" or self._chunked):
            raise malformed("This is not HTTP/1.1.")
        if version == "1.1" and not self._seen & 1:
            raise malformed("'host' is missing.")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise malformed("This is no proxy.")
            self._upgrading = True
            return
        super().on_headers_complete()
        cycle = self.cycle
        if not self.pipeline:
            self._running = cycle
        elif len(self.pipeline) > _PIPELINED:
            raise malformed("Too many requests are sent without waiting for their answers.")
        # An answer that is begun before the body is whole is the last one: the rest is no next request.
        self._keep, cycle.keep_alive = cycle.keep_alive, False
        self._quiet_since = self._head_since = 0.0

    def _check_size(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._bounds.header_bytes:
            raise too_large(f"The head is larger than {self._bounds.header_bytes} bytes.")

    def on_body(self, body: bytes) -> None:
        # This and the next method are uvicorn's without its thought of websockets, which there are none of.
        cycle = self.cycle
        if cycle.response_complete:
            return
        self._carried += len(body)
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._fed = -1
        self._chunked = False
        if self._upgrading:
            return
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.more_body = False
        cycle.message_event.set()
        if not cycle.response_started:
            cycle.keep_alive = self._keep and not self._entrance.draining

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._start_asgi_task(self._running, app)
        else:
            self._quiet_since = self.loop.time()

    def _go_on_without(self, rest: bytes) -> None:
        """An upgrade that is not made is a request like any other (RFC 9110, 7.8), of Java's HttpClient every
        first one; the parser gives up at its body, and is told the head once more without the wish."""
        self._upgrading = False
        head = b"%s %s HTTP/%s\r\n" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        for name, value in self.headers:
            if name == b"connection":
                words = [word.strip() for word in value.lower().split(b",")]
                head += b"connection: %s\r\n" % b", ".join(set(words).difference(_OF_UPGRADES))
            elif name not in _OF_UPGRADES:
                head += b"%s: %s\r\n" % (name, value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(head + b"\r\n" + rest)

    # How it ends

    def be_last(self) -> None:
        """The answer under way is the last one here."""
        if self._running is not None:
            self._running.keep_alive = False

    def shutdown(self) -> None:
        """Closed as soon as nothing is asked on it."""
        if self.busy:
            self.be_last()
        else:
            self._close()

    def _close(self) -> None:
        self.transport.close()
        self._look_at(self.loop.time() + self._bounds.write_timeout_s)

    def _refuse(self, fault: Fault) -> None:
        """Nothing that comes behind a fault is looked at: nobody can say where it begins. An answer that is
        under way is finished."""
        self._entrance.refused(fault.reason)
        self._deaf = True
        self.pipeline.clear()
        running = self._running
        if running is not None and not running.response_complete:
            if running is not self.cycle or not running.more_body or running.response_started:
                running.keep_alive = False
                self._look_at(self.loop.time() + self._bounds.keep_alive_s)
                return
            running.disconnected = True
            running.message_event.set()
        self._linger(fault.error, fault.status)

    def _linger(self, error: GatewayError, status: int) -> None:
        """Says why, and closes when the client has, or a moment later."""
        self._deaf = True
        if self.transport.is_closing():
            return
        path = (self.url if self.headers is not None else b"").partition(b"?")[0].decode("latin-1")
        answer = refusal(error, status, self.parser.get_method().decode(), path)
        self.flow.resume_reading()
        self.transport.write(answer)
        self.transport.write_eof()
        self._ends_at = self.loop.time() + _LINGER_S
        self._look_at(self._ends_at)

    # Time

    def _slow_head(self) -> None:
        """The head comes in more than one piece."""
        self._head_bytes += max(self._fed, 0)
        if self._head_bytes > self._bounds.header_bytes:
            self._refuse(too_large(f"The head is larger than {self._bounds.header_bytes} bytes."))
        elif not self._head_since:
            self._head_since = self.loop.time()
            self._look_at(self._head_since + self._bounds.header_timeout_s)

    def _look_at(self, when: float) -> None:
        """Then, or sooner where that was agreed."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        now, bounds = self.loop.time(), self._bounds
        if self.transport.is_closing() and not self._ends_at:
            self._ends_at = now + bounds.write_timeout_s  # for what is written and not taken
            self._unsent = self.transport.get_write_buffer_size()
        if (self._ends_at or self._stalled_since) and self._takes():
            if self._ends_at:
                self._ends_at = now + bounds.write_timeout_s
            else:
                self._stalled_since = now
        if self._ends_at:
            when, over = self._ends_at, self._cut
        elif self._stalled_since:
            when, over = self._stalled_since + bounds.write_timeout_s, self._cut
        elif self._begun and self._head_since and not self._deaf:
            when, over = self._head_since + bounds.header_timeout_s, self._too_slow
        elif self._quiet_since:
            when, over = self._quiet_since + bounds.keep_alive_s, self._close
        else:
            when, over = now + bounds.keep_alive_s, self._look
        if when - now > _TICK_S:
            self._look_at(when)
        else:
            over()

    def _takes(self) -> bool:
        """Whether the client took something of its answer since it was last looked: slow is not stalled."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        return self._unsent < before

    def _too_slow(self) -> None:
        self._refuse(Fault(BodyTimeout("The head took too long to arrive."), 408, "header_timeout"))

    def _cut(self) -> None:
        """uvicorn tells the request, whose task ends then, and with it its call of the model."""
        if not self._deaf:
            self._entrance.refused("stalled")
        self.transport.abort()
