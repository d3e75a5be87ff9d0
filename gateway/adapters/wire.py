"""A small HTTP/1.1 client for one address: a pool of connections, and one request at a time on each.

Ours, because the client library cost more than the rest of the gateway together (ADR 0013). It does what a
peer of ours needs and no more: no redirects, cookies, proxies, compression or pipelining. A name is resolved
by the loop; its addresses are tried one after the other, all within the connect timeout.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.adapters.connection import Address, Connection, NoAnswer

# vLLM and uvicorn close an idle connection after 5 s: leaving first means hardly ever writing into a closing
# one.
_KEEP_ALIVE_S = 3.0
_SWEEP_S = 1.0
_PATH = re.compile(r"[!-~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile("[\t\x20-\x7e\x80-\xff]*")  # no line break: nobody's value begins a header of its own


class _Crossed(NoAnswer):
    """The request was written to a connection that the peer was closing."""


class Wire:
    """Connections to one address. Make it inside the running loop; `close()` releases them."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        connect_timeout_s: float,
        max_connections: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`url`: http or https, with a path before all others or none. `headers`: of every request. `tls`
        stands in for the system's own authorities. Raises ValueError for an address that is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _PATH.fullmatch(parts.path):
            raise ValueError(
                "The address must be http://HOST:PORT or https://HOST:PORT, with a path or none."
            )
        secure = parts.scheme == "https"
        self._host = parts.hostname.encode("idna").decode()
        self._port = parts.port or (443 if secure else 80)
        self._path = parts.path.rstrip("/")
        self._tls = (tls or ssl.create_default_context()) if secure else None
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._headers = _lines({"host": f"{host}:{self._port}", **headers})
        self._connect_timeout_s = connect_timeout_s
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(max_connections)
        self._address = Address()
        self._busy: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def heard_at(self) -> float:
        """By the loop's clock: when a byte of an answer last came."""
        return self._address.heard_at

    async def close(self) -> None:
        """What is asked now fails."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in [*self._address.resting, *self._busy]:
            connection.leave()

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        most_bytes: int,
    ) -> tuple[int, bytes]:
        """Status and whole body, of at most `most_bytes`, all of it within `timeout_s`. A request without a
        body changes nothing, and is asked once more where its connection was closed while it rested; any
        other is written once. Raises NoAnswer, BrokenAnswer, LargeAnswer, TimeoutError."""
        deadline = self._loop.time() + timeout_s
        request = self._request(method, path, body, headers)
        try:
            connection = await self._asked(request, deadline, None, most_bytes)
        except _Crossed:
            if body is not None:
                raise
            connection = await self._asked(request, deadline, None, most_bytes)
        try:
            return connection.status, connection.taken()
        finally:
            self.give_back(connection)

    async def begin(
        self, path: str, body: bytes, headers: Mapping[str, str], *, silence_s: float
    ) -> Connection:
        """A connection whose `status` is known and whose `piece()`s come, with at most `silence_s` before
        each. To be given back, which closes it where the last piece was not taken. Raises NoAnswer,
        BrokenAnswer, TimeoutError."""
        deadline = self._loop.time() + silence_s
        return await self._asked(self._request("POST", path, body, headers), deadline, silence_s, None)

    async def _asked(
        self,
        request: tuple[bytes, ...],
        deadline: float,
        silence_s: float | None,
        most_bytes: int | None,
    ) -> Connection:
        """A connection on which the answer has begun; it is given back after."""
        if self._places.locked():
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        else:
            await self._places.acquire()
        connection = None
        try:
            connection = self._rested() or await self._opened(deadline)
            self._busy.add(connection)
            connection.ask(request, deadline, silence_s, most_bytes)
            await connection.begun()
        except NoAnswer as error:
            self._leave(connection)
            if connection is None or connection.heard or not connection.reused or self._closed:
                raise
            # What rests besides it was closed with it, as far as anybody knows: whoever asks once more does
            # so on one that is surely open.
            for resting in list(self._address.resting):
                resting.leave()
            raise _Crossed("it was closed while it rested") from error
        except BaseException:
            self._leave(connection)
            raise
        return connection

    def _rested(self) -> Connection | None:
        """The one that rests since the shortest time, so that those that are too many are left."""
        while self._address.resting:
            connection, since = self._address.resting.popitem()
            fresh = self._loop.time() - since < _KEEP_ALIVE_S
            if fresh and connection.can_rest:  # it may be closing by now
                return connection
            connection.leave()
            if not fresh:
                break  # and so will be the others, by the sweep
        return None

    async def _opened(self, deadline: float) -> Connection:
        if self._closed:
            raise NoAnswer("the client is closed")
        limit = min(deadline, self._loop.time() + self._connect_timeout_s)
        try:
            async with asyncio.timeout_at(limit) as timer:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._address), self._host, self._port, ssl=self._tls
                )
        except OSError as error:
            if timer.expired() and limit == deadline:
                raise TimeoutError from None
            raise NoAnswer("no connection") from error
        return connection

    def give_back(self, connection: Connection) -> None:
        """What was begun. It is left where its answer is not whole, or the peer keeps it no longer."""
        if self._closed or not connection.can_rest:
            self._leave(connection)
            return
        self._places.release()
        self._busy.discard(connection)
        connection.reused = True
        self._address.resting[connection] = self._loop.time()
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def _leave(self, connection: Connection | None) -> None:
        self._places.release()
        if connection is not None:
            self._busy.discard(connection)
            connection.leave()

    def _sweep(self) -> None:
        """Leaves what has rested too long."""
        self._sweeping = None
        before = self._loop.time() - _KEEP_ALIVE_S
        for connection in [one for one, since in self._address.resting.items() if since <= before]:
            connection.leave()
        if self._address.resting:
            self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[bytes, ...]:
        """Raises ValueError for a path or a header that would end its line."""
        if not _PATH.fullmatch(path):
            raise ValueError("A path must be visible ASCII.")
        own = _lines(headers) if headers else b""
        head = b"%b %b HTTP/1.1\r\n%b%b" % (method.encode(), (self._path + path).encode(), self._headers, own)
        if body is None:
            return (head + b"\r\n",)
        return head + b"content-length: %d\r\n\r\n" % len(body), body


def _lines(headers: Mapping[str, str]) -> bytes:
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers.items()):
        raise ValueError("A header must be one line of Latin characters.")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
