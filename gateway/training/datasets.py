"""Where data sets are handed in, looked at and taken back. What DVC does with them is the worker's."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from gateway.domain import Caller
from gateway.errors import InvalidRequest, NotKept, RateLimited
from gateway.guards import may_train
from gateway.training.facts import DatasetSummary, DatasetVersion, TableFormat, checked_name
from gateway.training.ports import DatasetFiles, DatasetShelf, Received

_MOST_LISTED = 50  # versions of a data set
_MOST_UPLOADS = 2  # of a key at once, their checks too: there are eight places for everybody


class DatasetDesk:
    def __init__(self, shelf: DatasetShelf, files: DatasetFiles) -> None:
        self._shelf = shelf
        self._files = files
        self._uploads: Counter[str] = Counter()  # key id -> how many are under way; no key is there with none

    async def upload(
        self, caller: Caller, name: str, form: TableFormat, target: str | None, chunks: AsyncIterator[bytes]
    ) -> tuple[DatasetVersion, bool]:
        """The new version and True; or the newest one and False where it has the same content and target.
        Raises Forbidden, InvalidRequest and RateLimited before the first byte, PayloadTooLarge, BodyTimeout,
        InvalidDataset, Overloaded, StoreUnavailable; then nothing is kept."""
        may_train(caller)
        checked_name(name, "name")
        target = (target or "").strip() or None  # as the header's names are
        with self._place(caller):
            return await self._taken(caller, name, form, target, chunks)

    async def _taken(
        self, caller: Caller, name: str, form: TableFormat, target: str | None, chunks: AsyncIterator[bytes]
    ) -> tuple[DatasetVersion, bool]:
        received = await self._files.receive(chunks)
        try:
            if (same := await self._same(name, received, form, target)) is not None:
                return same, False
            table = await self._files.check(received, form, target)
            # Somebody who lost patience may have sent it again meanwhile.
            if (same := await self._same(name, received, form, target)) is not None:
                return same, False
            version = DatasetVersion(
                name=name,
                version=await self._shelf.number(name),
                created_at=datetime.now(UTC),
                key_id=caller.key_id,
                target=target,
                table=table,
            )
            # The row last: a crash between the two leaves a file that nobody sees, never a row without one.
            await self._files.keep(received, version.file)
        finally:
            await self._files.discard(received)
        try:
            kept = await self._shelf.add(version)
        except (NotKept, InvalidRequest):
            await self._files.take_back(version.file)
            raise
        if kept is not version:  # the same came at the same time
            await self._files.take_back(version.file)
        return kept, kept is version

    async def find(self, caller: Caller, after: str | None, limit: int) -> list[DatasetVersion]:
        """The newest version of each data set, by name. Raises Forbidden."""
        may_train(caller)
        return await self._shelf.find(after, limit)

    async def get(self, caller: Caller, name: str, version: int | None = None) -> DatasetVersion:
        """Without a version the newest. Raises Forbidden, NotFound."""
        may_train(caller)
        return await self._shelf.get(name, version)

    async def versions(self, caller: Caller, name: str) -> list[DatasetSummary]:
        """The newest 50, newest first. Raises Forbidden, NotFound."""
        may_train(caller)
        return await self._shelf.versions(name, _MOST_LISTED)

    async def delete(self, caller: Caller, name: str, version: int | None = None) -> None:
        """One version or all of them, also out of DVC, by the worker. Raises Forbidden, NotFound, and
        Conflict while a job needs it."""
        may_train(caller)
        await self._shelf.delete(name, version)

    @contextmanager
    def _place(self, caller: Caller) -> Iterator[None]:
        """One of the caller's places, at whichever door. Raises RateLimited."""
        key = caller.key_id
        if self._uploads[key] >= _MOST_UPLOADS:
            raise RateLimited(f"The key has {_MOST_UPLOADS} uploads under way.", retry_after=5.0)
        self._uploads[key] += 1
        try:
            yield
        finally:
            self._uploads[key] -= 1
            if not self._uploads[key]:
                del self._uploads[key]

    async def _same(
        self, name: str, received: Received, form: TableFormat, target: str | None
    ) -> DatasetVersion | None:
        newest = await self._shelf.latest(name)
        if newest is None or (newest.table.sha256, newest.table.format) != (received.sha256, form):
            return None
        return newest if newest.target == target else None
