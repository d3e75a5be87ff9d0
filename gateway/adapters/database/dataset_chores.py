"""Which worker takes which version of a data set to DVC, to the remote and out again."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, select, update

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import dataset_of
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.locks import STEPS, alone
from gateway.adapters.database.training_tables import dataset_versions
from gateway.errors import StoreUnavailable
from gateway.training.facts import DatasetVersion, Kept

_FIRST_PAUSE_S = 5.0  # after a step that failed; then twice as long each time
_LONGEST_PAUSE_S = 600.0
_UNREADABLE = "This version of the worker cannot read the record."


class DatabaseChores:
    """Implements DatasetChores."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, owner: str, lease_s: float, remote: bool) -> DatasetVersion | None:
        steps = [Kept.ACCEPTED, Kept.VERSIONED] if remote else [Kept.ACCEPTED]
        waiting = [and_(~dataset_versions.c.deleted, dataset_versions.c.kept == kept.value) for kept in steps]
        return await self._leased(waiting, owner, lease_s)

    async def deleted(self, owner: str, lease_s: float) -> DatasetVersion | None:
        going = [and_(dataset_versions.c.deleted, dataset_versions.c.kept == kept.value) for kept in Kept]
        return await self._leased(going, owner, lease_s)

    async def shared(self, version: DatasetVersion) -> bool:
        same = dataset_versions.c.sha256 == version.table.sha256
        live = select(dataset_versions.c.name).where(same, ~dataset_versions.c.deleted).limit(1)
        return await self._database.read(lambda connection: connection.scalar(live)) is not None

    async def done(self, version: DatasetVersion, owner: str, kept: Kept, dvc_hash: str) -> None:
        # Also of one that was deleted meanwhile: what is to be taken out of DVC has a hash now.
        ended = update(dataset_versions).where(_of(version, owner)).values(owner=None, until_s=0.0)
        ended = ended.values(kept=kept.value, dvc_hash=dvc_hash, attempts=0, error=None)
        await self._database.write(lambda connection: connection.execute(ended))

    async def failed(self, version: DatasetVersion, owner: str, error: str) -> None:
        def failed(connection: Connection) -> None:
            this = _of(version, owner)
            attempts = connection.scalar(select(dataset_versions.c.attempts).where(this).with_for_update())
            if attempts is not None:
                _paused(connection, this, attempts + 1, error)

        await self._database.write(failed)

    async def forget(self, version: DatasetVersion, owner: str) -> None:
        gone = delete(dataset_versions).where(_of(version, owner), dataset_versions.c.deleted)
        await self._database.write(lambda connection: connection.execute(gone))

    async def _leased(
        self, waiting: list[ColumnElement[bool]], owner: str, lease_s: float
    ) -> DatasetVersion | None:
        def lease(connection: Connection) -> DatasetVersion | None:
            alone(connection, STEPS)
            while (row := _oldest(connection, waiting)) is not None:
                this = _at(row.name, row.version)
                try:
                    version = dataset_of(row)
                except StoreUnavailable:
                    # Of another version's making: it must not stop the others.
                    _paused(connection, this, row.attempts + 1, _UNREADABLE)
                    continue
                taken = {"owner": owner, "until_s": clock(connection) + lease_s}
                connection.execute(update(dataset_versions).where(this).values(taken))
                return version
            return None

        # What is mostly so, nothing to do, takes no lock.
        if await self._database.read(lambda connection: _oldest(connection, waiting)) is None:
            return None
        return await self._database.write(lease)


def _oldest(connection: Connection, waiting: list[ColumnElement[bool]]) -> Any:
    """Of the first of the states in `waiting` that has one, the row that has waited longest and that nobody
    has. Of one content, one step at a time: two would
    write and remove the same file of DVC's cache."""
    others = dataset_versions.alias("others")
    busy = select(others.c.name).where(
        others.c.sha256 == dataset_versions.c.sha256,
        others.c.owner.is_not(None),
        others.c.until_s > clock(connection),
    )
    age = (dataset_versions.c.created_at, dataset_versions.c.name, dataset_versions.c.version)
    for which in waiting:  # a question for each state is read off the index in this order
        free = select(dataset_versions).where(which, dataset_versions.c.until_s <= clock(connection))
        question: Select[Any] = free.where(~busy.exists()).order_by(*age).limit(1)
        if (row := connection.execute(question).first()) is not None:
            return row
    return None


def _paused(connection: Connection, this: ColumnElement[bool], attempts: int, error: str) -> None:
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 16))
    values = {"owner": None, "until_s": clock(connection) + pause_s, "attempts": attempts, "error": error}
    connection.execute(update(dataset_versions).where(this).values(values))


def _at(name: str, version: int) -> ColumnElement[bool]:
    return and_(dataset_versions.c.name == name, dataset_versions.c.version == version)


def _of(version: DatasetVersion, owner: str) -> ColumnElement[bool]:
    """That version, while the owner has it."""
    return and_(_at(version.name, version.version), dataset_versions.c.owner == owner)
