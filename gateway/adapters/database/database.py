"""One database: how it is opened, what a transaction is, and what becomes of foreign errors.

Every question to it is a plain function over a connection, run within one transaction: `read(work)`,
`write(work)`. Everything that may go wrong below becomes StoreUnavailable with constant text.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.adapters.database import migration
from gateway.adapters.database.address import file_of, read_address
from gateway.adapters.database.engines import engine_of, reading, writing
from gateway.errors import GatewayError, InvalidRequest, StoreUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")
_FOREIGN = (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError)
_RETRY_AFTER_S = 1.0


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
        self._opened: tuple[int, int] | None = None  # the file that was opened, not one that took its name
        self._engine = engine_of(url, timeout_s=timeout_s, connections=connections)
        self._reader, self._writer = reading(self._engine), writing(self._engine)
        # SQLite has one writer at a time, and its waiters sleep and look again: a queue is quicker and fair.
        self._turn = asyncio.Lock() if self._file else contextlib.nullcontext()
        self._transactions: set[asyncio.Task[Any]] = set()
        self._open = False

    @property
    def engine(self) -> str:
        """sqlite or postgresql."""
        return self._engine.dialect.name

    async def start(self) -> None:
        """Opens the database, made and migrated where that is needed. Raises StoreUnavailable."""
        await self._within(self._start_timeout_s, self._started(make=True))
        if await self.read(migration.revision) != migration.HEAD:
            await self._within(
                self._start_timeout_s, self._transaction(self._writer, self._turn, migration.upgrade)
            )

    async def open(self) -> str | None:
        """Opens a database that is there and changes nothing; returns what it is migrated to, None: it has no
        tables. Raises StoreUnavailable."""
        await self._within(self._start_timeout_s, self._started(make=False))
        return await self.read(migration.revision)

    async def close(self) -> None:
        """Waits `timeout_s` at most for what is under way."""
        self._open = False
        for task in self._transactions:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                if self._transactions:
                    await asyncio.wait(self._transactions)
                await self._engine.dispose()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` finds within one unchanging view of the database. Raises what `work` raises,
        StoreUnavailable."""
        self._check()
        return await self._within(
            self._timeout_s, self._transaction(self._reader, contextlib.nullcontext(), work)
        )

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all that it wrote is safe; when it raises, nothing is written. Raises
        what `work` raises, StoreUnavailable (then it may be written nevertheless: the answer was lost), and
        InvalidRequest for a text that the database cannot keep."""
        self._check()
        return await self._within(self._timeout_s, self._transaction(self._writer, self._turn, work))

    async def _started(self, *, make: bool) -> None:
        if self._file:
            self._opened = await asyncio.to_thread(_identity, self._file, make=make)
        self._open = True

    def _check(self) -> None:
        if not self._open:
            raise StoreUnavailable("The store is not open.")
        if self._file and _found(self._file) != self._opened:
            # An open SQLite goes on writing into a file that has no name any more.
            raise StoreUnavailable("The database's file is gone or was replaced: restart the gateway.")

    async def _transaction(
        self,
        engine: AsyncEngine,
        turn: contextlib.AbstractAsyncContextManager[None],
        work: Callable[[Connection], T],
    ) -> T:
        async with turn, engine.begin() as connection:
            return await connection.run_sync(work)

    async def _within(self, timeout_s: float, transaction: Coroutine[Any, Any, T]) -> T:
        """In a task of its own, which is left behind when it does not end: a driver that is stuck would not
        heed a cancellation either. Errors are raised outside of any `except`: what is behind them may quote
        a student."""
        task = asyncio.create_task(transaction, name="store")
        self._transactions.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait({task}, timeout=timeout_s)
        finally:
            task.cancel()  # of a task that is done it does nothing
        if not task.done() or task.cancelled():
            log.error("the store did not answer within %s s", timeout_s)
            raise StoreUnavailable("The store did not answer in time.", retry_after=_RETRY_AFTER_S)
        error = task.exception()
        if error is None:
            return task.result()
        raise _ours(error) if isinstance(error, _FOREIGN) else error

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._transactions.discard(task)
        if not task.cancelled():
            task.exception()  # seen: asyncio would log it otherwise, text and all


def _ours(error: BaseException) -> GatewayError:
    """Of a foreign error only its kind is told: its text may quote a record or the address."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig else error
    kind = f"{type(origin).__name__} {getattr(origin, 'sqlstate', None) or ''}".strip()
    log.error("the store failed: %s", kind)
    if isinstance(error, DataError):
        return InvalidRequest("A text holds a character that the store cannot keep.")
    return StoreUnavailable("The store is not available.", retry_after=_RETRY_AFTER_S)


def _identity(file: Path, *, make: bool) -> tuple[int, int]:
    """Device and inode of the database's file, made with its folder where that is asked for: readable to
    nobody else, as SQLite's log beside it will be. Raises OSError."""
    if make:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    status = file.stat()
    return status.st_dev, status.st_ino


def _found(file: Path) -> tuple[int, int] | None:
    try:
        return _identity(file, make=False)
    except OSError:
        return None
