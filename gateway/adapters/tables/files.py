"""Uploads on disk: received in `.incoming`, moved to their place whole, safe from a power cut.

No data set can be called `.incoming` or `.dvc`: names begin with a letter or a digit.
"""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from gateway.adapters.tables.process import Checks
from gateway.errors import BodyTimeout, Overloaded, PayloadTooLarge, StoreUnavailable
from gateway.training.facts import Table, TableFormat
from gateway.training.ports import Received

INCOMING = ".incoming"
_BLOCK = 4 << 20  # bytes gathered before a thread writes them: 25 hops for 100 MiB
_MOST_UPLOADS = 8  # at once

P = ParamSpec("P")
T = TypeVar("T")


class FolderFiles:
    """The folder that gateway and worker share.

    `max_bytes`: of one file. `timeout_s`: from an upload's first byte to its last. `checks`: files read at
    once.
    """

    def __init__(self, folder: Path, max_bytes: int, timeout_s: float, max_columns: int, checks: int) -> None:
        self._folder = folder
        self._incoming = folder / INCOMING
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._checks = Checks(checks, max_columns)
        self._uploads = 0

    async def receive(self, chunks: AsyncIterator[bytes]) -> Received:
        """See the port. Raises Overloaded too, when too many are under way."""
        if self._uploads >= _MOST_UPLOADS:
            raise Overloaded("Too many data sets are being uploaded.", retry_after=5.0)
        self._uploads += 1
        part = _Part(self._incoming / f"{secrets.token_hex(16)}.part")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._written(part, chunks)
            return Received(part.path, part.hash.hexdigest(), part.size)
        except TimeoutError:
            await in_thread(part.drop)
            raise BodyTimeout("The body took too long to arrive.") from None
        except BaseException:  # whatever ended it, a cancellation too: nothing is left behind
            await in_thread(part.drop)
            raise
        finally:
            self._uploads -= 1

    async def _written(self, part: "_Part", chunks: AsyncIterator[bytes]) -> None:
        await in_thread(part.begin)
        gathered: list[bytes] = []
        waiting = 0
        async for chunk in chunks:
            waiting += len(chunk)
            if part.size + waiting > self._max_bytes:
                raise PayloadTooLarge(f"A data set may have at most {self._max_bytes} bytes.")
            gathered.append(chunk)
            if waiting >= _BLOCK:
                await in_thread(part.write, gathered)
                gathered, waiting = [], 0
        await in_thread(part.write, gathered)
        await in_thread(part.end)

    async def check(self, received: Received, form: TableFormat, target: str | None) -> Table:
        """See the port."""
        return await self._checks.check(received, form, target)

    async def keep(self, received: Received, file: Path) -> None:
        """See the port; `file` is relative to the folder."""
        await in_thread(_move, received.path, self._folder, file)

    async def discard(self, received: Received) -> None:
        """See the port."""
        await in_thread(received.path.unlink, missing_ok=True)

    async def take_back(self, file: Path) -> None:
        """See the port."""
        await in_thread(_take_back, self._folder / file)


class _Part:
    """A file that is being received. Its methods run in threads, one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hash = hashlib.sha256()
        self.size = 0
        self._file = -1

    def begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)

    def write(self, chunks: list[bytes]) -> None:
        data = b"".join(chunks)
        self.hash.update(data)
        self.size += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def end(self) -> None:
        os.fsync(self._file)
        self._close()

    def drop(self) -> None:
        self._close()
        self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _move(source: Path, folder: Path, file: Path) -> None:
    """The name is on disk only when its folder is; the same goes for each new folder."""
    target = folder / file
    missing = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    for parent in {target.parent, *(new.parent for new in missing)}:
        handle = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _take_back(file: Path) -> None:
    file.unlink(missing_ok=True)
    for folder in (file.parent, file.parent.parent):
        try:
            folder.rmdir()
        except OSError:  # another version's, or gone
            return


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """A thread cannot be stopped: who is cancelled waits for it, because its file is not free before. What
    the disk refuses is StoreUnavailable."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise
    except OSError:
        raise StoreUnavailable(
            "The folder of data sets cannot be written: is it there, is it full?"
        ) from None
