"""Versions of data sets as callers see them."""

import asyncio
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, case, func, insert, select, update

from gateway.adapters.database.codec import DATASET
from gateway.adapters.database.database import Database
from gateway.adapters.database.rows import insert_into
from gateway.adapters.database.training_tables import dataset_numbers, dataset_versions, training_jobs
from gateway.errors import Conflict, NotFound, NotKept, StoreUnavailable
from gateway.training.facts import DatasetSummary, DatasetVersion, JobState, Kept

_LIVE = ~dataset_versions.c.deleted
_LISTED = [dataset_versions.c[field.name] for field in fields(DatasetSummary)]
_BRIEF = [column for column in dataset_versions.c if column.name != "preview"]
_NEEDED = training_jobs.c.state.in_([state.value for state in JobState if not state.over])


class DatabaseDatasets:
    """Implements DatasetShelf."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def number(self, name: str) -> int:
        def number(connection: Connection) -> int:
            first = insert_into(connection, dataset_numbers).values(name=name, last=1)
            next_one = first.on_conflict_do_update(
                index_elements=[dataset_numbers.c.name], set_={"last": dataset_numbers.c.last + 1}
            )
            question = next_one.returning(dataset_numbers.c.last)
            given: int = connection.execute(question).scalar_one()
            return given

        return await self._database.write(number)

    async def add(self, version: DatasetVersion) -> DatasetVersion:
        row = await asyncio.to_thread(_row, version)
        # Whoever takes it first: the writer right before its commit, or we when we cannot wait any longer.
        decision = threading.Lock()

        def add(connection: Connection) -> DatasetVersion:
            # An upload of the same name waits here: the newest stays the newest.
            number = select(dataset_numbers.c.last).where(dataset_numbers.c.name == version.name)
            connection.execute(number.with_for_update())
            same = _same(connection, version)
            if same is None:
                connection.execute(insert(dataset_versions), row)
            if not decision.acquire(blocking=False):
                raise NotKept("The store did not answer in time.")
            return same or version

        try:
            return await self._database.write(add)
        except StoreUnavailable as error:
            if decision.acquire(blocking=False):
                raise NotKept(error.message, retry_after=error.retry_after) from None
            raise

    async def latest(self, name: str) -> DatasetVersion | None:
        return await self._database.read(lambda connection: _whole(connection, name, None))

    async def get(self, name: str, version: int | None = None) -> DatasetVersion:
        found = await self._database.read(lambda connection: _whole(connection, name, version))
        if found is None:
            raise _none()
        return found

    async def versions(self, name: str, limit: int) -> list[DatasetSummary]:
        question = select(*_LISTED).where(dataset_versions.c.name == name, _LIVE)
        question = question.order_by(dataset_versions.c.version.desc()).limit(limit)

        def versions(connection: Connection) -> list[DatasetSummary]:
            found = connection.execute(question).mappings()
            return [DatasetSummary(**{**row, "kept": Kept(row["kept"])}) for row in found]

        found = await self._database.read(versions)
        if not found:
            raise _none()
        return found

    async def find(self, after: str | None, limit: int) -> list[DatasetVersion]:
        newest = select(dataset_versions.c.name, func.max(dataset_versions.c.version).label("version"))
        newest = newest.where(_LIVE, dataset_versions.c.name > (after or ""))
        newest = newest.group_by(dataset_versions.c.name).order_by(dataset_versions.c.name).limit(limit)
        of_page = newest.subquery()
        question = select(*_BRIEF).join_from(
            of_page,
            dataset_versions,
            (dataset_versions.c.name == of_page.c.name) & (dataset_versions.c.version == of_page.c.version),
        )
        question = question.order_by(dataset_versions.c.name)

        def find(connection: Connection) -> list[DatasetVersion]:
            return [dataset_of(row) for row in connection.execute(question)]

        return await self._database.read(find)

    async def delete(self, name: str, version: int | None) -> None:
        these = dataset_versions.c.name == name
        using = (training_jobs.c.dataset == name) & _NEEDED
        if version is not None:
            these &= dataset_versions.c.version == version
            using &= training_jobs.c.dataset_version == version

        def delete(connection: Connection) -> None:
            # A job that is being added waits for these rows, or we for it.
            locked = select(dataset_versions.c.version).where(these, _LIVE).with_for_update()
            if not connection.scalars(locked).all():
                raise _none()
            if connection.scalar(select(training_jobs.c.id).where(using).limit(1)) is not None:
                raise Conflict("A training job that is not over needs this data set.")
            # A step that a worker is doing is waited for; a pause after a failed one is not.
            free = case((dataset_versions.c.owner.is_(None), 0.0), else_=dataset_versions.c.until_s)
            gone = update(dataset_versions).where(these, _LIVE)
            connection.execute(gone.values(deleted=True, attempts=0, error=None, until_s=free))

        await self._database.write(delete)

    async def files(self) -> frozenset[Path]:
        """Of every version, those that are to go too; relative to the folder of data sets."""
        question = select(dataset_versions.c.file)
        files = await self._database.read(lambda connection: connection.scalars(question).all())
        return frozenset(map(Path, files))

    async def numbers(self) -> dict[str, int]:
        """The highest version number that was given out, by name."""
        question = select(dataset_numbers.c.name, dataset_numbers.c.last)
        return dict(
            await self._database.read(lambda c: [(row.name, row.last) for row in c.execute(question)])
        )


def _row(version: DatasetVersion) -> dict[str, object]:
    return {
        "name": version.name,
        "version": version.version,
        "created_at": version.created_at,
        "sha256": version.table.sha256,
        "rows": version.table.rows,
        "file": version.file.as_posix(),
        "deleted": False,
        "kept": version.kept.value,
        "dvc_hash": version.dvc_hash,
        "attempts": version.attempts,
        "error": version.error,
        "until_s": 0.0,
        "dataset": DATASET.encode(replace(version, table=replace(version.table, preview=()))),
        "preview": orjson.dumps(version.table.preview).decode(),
    }


def in_use(name: str, version: int) -> ColumnElement[bool]:
    return (dataset_versions.c.name == name) & (dataset_versions.c.version == version) & _LIVE


def dataset_of(row: Any) -> DatasetVersion:
    """Without its preview. Raises StoreUnavailable when it cannot be read."""
    return replace(
        DATASET.decode(row.dataset),
        kept=Kept(row.kept),
        dvc_hash=row.dvc_hash,
        attempts=row.attempts,
        error=row.error,
    )


def _same(connection: Connection, version: DatasetVersion) -> DatasetVersion | None:
    """The newest version, where it is the same."""
    newest = select(dataset_versions.c.sha256).where(dataset_versions.c.name == version.name, _LIVE)
    newest = newest.order_by(dataset_versions.c.version.desc()).limit(1)
    if connection.scalar(newest) != version.table.sha256:
        return None
    found = _whole(connection, version.name, None)
    return found if found is not None and found.same_as(version) else None


def _whole(connection: Connection, name: str, version: int | None) -> DatasetVersion | None:
    question = select(dataset_versions).where(dataset_versions.c.name == name, _LIVE)
    if version is not None:
        question = question.where(dataset_versions.c.version == version)
    row = connection.execute(question.order_by(dataset_versions.c.version.desc()).limit(1)).first()
    if row is None:
        return None
    found = dataset_of(row)
    preview = tuple(tuple(cells) for cells in orjson.loads(row.preview))
    return replace(found, table=replace(found.table, preview=preview))


def _none() -> NotFound:
    return NotFound("There is no data set of that name and version.", param="dataset")
