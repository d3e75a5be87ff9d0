"""The sockets of one HTTP port: opened, drained, closed. uvicorn's own server stops in one step, and what is
still under way at its end it cuts without a word."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from gateway.rest.door import App
from gateway.rest.entrance import ConnectionBounds, Entrance
from gateway.rest.protocol import Connection

_BACKLOG = 2048  # connections that the kernel keeps until they are taken
_SETTLE_S = 0.05  # for what the kernel has taken already: it would be reset
_LAST_WORDS_S = 2.0  # for requests that are broken off to say so


class Listener:
    def __init__(self, app: App, bounds: ConnectionBounds, refused: Callable[[str], None]) -> None:
        """`refused`: see Entrance."""
        self._entrance = Entrance(bounds, refused)
        config = uvicorn.Config(
            app,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        config.load()
        self._state = ServerState()
        self._connection = partial(Connection, config, self._state, {}, entrance=self._entrance)
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int, *, share: bool = False) -> int:
        """Answers from now on, at the port that is returned: with 0 any that is free. `share`: with other
        processes that share it too. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection, host, port, backlog=_BACKLOG, reuse_port=share or None
        )
        name: Any = self._server.sockets[0].getsockname()
        return int(name[1])

    def be_last(self) -> None:
        """From now on every answer is the last one of its connection, and says so."""
        self._entrance.draining = True
        for connection in self._connections():
            connection.be_last()

    async def close(self) -> None:
        """Takes no more connections, and closes those on which nothing is asked."""
        self.be_last()
        await asyncio.sleep(_SETTLE_S)
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(_SETTLE_S)
        for connection in self._connections():
            connection.shutdown()

    async def drained(self) -> None:
        """Returns when nothing is under way any more."""
        while self._state.connections:
            self._entrance.left.clear()
            await self._entrance.left.wait()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks)

    async def cut(self) -> None:
        """Ends at once: requests under way are cancelled and have a moment to say why."""
        if self._server is not None:
            self._server.close()
        for task in list(self._state.tasks):
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self.drained()
        for connection in self._connections():
            connection.transport.abort()

    def _connections(self) -> list[Connection]:
        return [one for one in self._state.connections if isinstance(one, Connection)]
