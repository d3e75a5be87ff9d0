"""One database: how it is opened, what a transaction is, and what becomes of foreign errors.

Every question to it is a plain function over a connection, run within one transaction in a thread:
`read(work)`, `write(work)`. SQLAlchemy's asyncio drivers hop once or more for each statement: a claim and its
grade cost 10 ms of CPU with aiosqlite instead of 3, and 4.7 with psycopg's asyncio half instead of 3.3.

Everything that may go wrong below becomes StoreUnavailable with constant text.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from gateway.adapters.database import migration
from gateway.adapters.database.address import file_of, read_address
from gateway.adapters.database.engines import engine_of, reading, writing
from gateway.adapters.database.file import Identity, identity, made
from gateway.adapters.database.workers import Workers
from gateway.errors import GatewayError, InvalidRequest, StoreUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")
_FOREIGN = (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError)
_RETRY_AFTER_S = 1.0
_TRIED_S = 15.0  # between two tries of a store that could not be written


class Database:
    """Make it where you like, use it inside one running loop. `start()` before the first question, `close()`
    after the last."""

    def __init__(
        self, address: str, *, timeout_s: float = 5.0, start_timeout_s: float = 60.0, connections: int = 8
    ) -> None:
        """Raises ValueError, one sentence without the address, for one that is none of ours. A transaction
        is given up after `timeout_s`, opening and migrating after `start_timeout_s`."""
        url = read_address(address)
        self._timeout_s = timeout_s
        self._start_timeout_s = start_timeout_s
        self._file = file_of(url)
        self._opened: Identity | None = None
        self._readers = self._writers = Workers(connections)
        if self._file:
            # SQLite has one writer at a time, and its waiters sleep and look again: a queue is quicker.
            self._writers = Workers(1)
        self._engine = engine_of(url, timeout_s=timeout_s, connections=connections + 1)
        self._open = False
        self._writes = True  # whether the last one went well
        self._tried_at = -float("inf")  # by the monotonic clock

    @property
    def engine(self) -> str:
        """sqlite or postgresql."""
        return self._engine.dialect.name

    async def start(self) -> None:
        """Opens the database, made and migrated where that is needed. Raises StoreUnavailable."""
        if await self._revision(self._make) != migration.HEAD:
            upgrade = partial(_transaction, writing(self._engine), migration.upgrade)
            await self._within(self._start_timeout_s, self._writers, upgrade)
        self._open = True

    async def open(self) -> str | None:
        """Opens a database that is there and changes nothing; returns what it is migrated to, None: it has no
        tables. Raises StoreUnavailable."""
        revision = await self._revision(self._find)
        self._open = True
        return revision

    async def close(self) -> None:
        """Waits `timeout_s` at most for what is under way. It cannot be opened again."""
        self._open = False
        await asyncio.to_thread(self._stop)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` finds within one unchanging view of the database. Raises what `work` raises,
        StoreUnavailable."""
        self._check()
        reader = partial(_transaction, reading(self._engine), work)
        return await self._within(self._timeout_s, self._readers, reader)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all that it wrote is safe; when it raises, nothing is written. Raises
        what `work` raises, StoreUnavailable (then it may be written nevertheless: the answer was lost), and
        InvalidRequest for a text that the database cannot keep."""
        self._check()
        writer = partial(_transaction, writing(self._engine), work)
        try:
            found = await self._within(self._timeout_s, self._writers, writer)
        except StoreUnavailable:
            self._writes = False
            raise
        self._writes = True
        return found

    async def writable(self) -> None:
        """Nothing while the last write went well: a quiet store is asked nothing. Otherwise it is tried now
        and then, with one row that stays as it is. Raises StoreUnavailable."""
        if self._writes:
            return
        now = time.monotonic()
        if now < self._tried_at + _TRIED_S:
            raise StoreUnavailable("The store cannot be written.")
        self._tried_at = now
        await self.write(migration.touch)

    async def _revision(self, find: Callable[[], None]) -> str | None:
        self._readers.start()
        self._writers.start()
        await self._within(self._start_timeout_s, self._writers, find)
        look = partial(_transaction, reading(self._engine), migration.revision)
        return await self._within(self._timeout_s, self._readers, look)

    def _make(self) -> None:
        self._opened = made(self._file, self._timeout_s) if self._file else None

    def _find(self) -> None:
        self._opened = identity(self._file) if self._file else None

    def _stop(self) -> None:
        give_up = time.monotonic() + self._timeout_s
        self._readers.stop(give_up)
        self._writers.stop(give_up)
        self._engine.dispose()

    def _check(self) -> None:
        if not self._open:
            raise StoreUnavailable("The store is not open.")
        found = None
        with contextlib.suppress(OSError):
            found = identity(self._file) if self._file else None
        if found != self._opened:
            # An open SQLite goes on writing into a file that has no name any more.
            raise StoreUnavailable("The database's file is gone or was replaced: restart the gateway.")

    async def _within(self, timeout_s: float, workers: Workers, work: Callable[[], T]) -> T:
        """What is not done by then, or whose caller has left, is not begun any more, and goes on by itself
        where it was begun. Errors are raised outside of any `except`: what is behind them may quote a
        student."""
        done = asyncio.wrap_future(workers.submit(work))
        try:
            await asyncio.wait({done}, timeout=timeout_s)
        finally:
            done.cancel()
        if done.cancelled():
            log.error("the store did not answer within %s s", timeout_s)
            raise StoreUnavailable("The store did not answer in time.", retry_after=_RETRY_AFTER_S)
        error = done.exception()
        if error is None:
            return done.result()
        raise _ours(error) if isinstance(error, _FOREIGN) else error


def _transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _ours(error: BaseException) -> GatewayError:
    """Of a foreign error only its kind is told: its text may quote a record or the address."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig else error
    kind = f"{type(origin).__name__} {getattr(origin, 'sqlstate', None) or ''}".strip()
    log.error("the store failed: %s", kind)
    if isinstance(error, DataError):
        return InvalidRequest("A text holds a character that the store cannot keep.")
    return StoreUnavailable("The store is not available.", retry_after=_RETRY_AFTER_S)
