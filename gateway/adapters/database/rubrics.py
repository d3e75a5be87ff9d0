"""Rubrics and their versions, which sort as numbers: 1.10.0 is newer than 1.9.0."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, tuple_, update

from gateway.adapters.database.codec import RUBRIC
from gateway.adapters.database.database import Database
from gateway.adapters.database.rows import insert_into, inserted
from gateway.adapters.database.tables import rubrics
from gateway.domain import Rubric
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.records import RubricRecord

# Nine digits fit an integer column of both engines.
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
_PLACE = (rubrics.c.name, rubrics.c.major, rubrics.c.minor, rubrics.c.patch)

Numbers = tuple[int, int, int]  # major, minor, patch


def numbers(version: str) -> Numbers | None:
    """None for a text that is no semantic version."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def at_version(name: str, version: Numbers) -> ColumnElement[bool]:
    return and_(
        *(column == value for column, value in zip(_PLACE, (name, *version), strict=True)),
    )


class DatabaseRubrics:
    """Implements Rubrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, rubric: Rubric, key_id: str) -> RubricRecord:
        """Raises InvalidRequest for a version that is not semantic."""
        major, minor, patch = _numbers_of(rubric)
        record = RubricRecord(rubric, datetime.now(UTC), key_id, used=False)
        row = {
            "name": rubric.name,
            "major": major,
            "minor": minor,
            "patch": patch,
            "created_at": record.created_at,
            "key_id": key_id,
            "used": False,
            "rubric": RUBRIC.encode(rubric),
        }

        def add(connection: Connection) -> bool:
            new = insert_into(connection, rubrics).on_conflict_do_nothing(index_elements=_PLACE)
            return inserted(connection, new, row)

        if not await self._database.write(add):
            raise Conflict("There is a rubric of that name and version already.", param="version")
        return record

    async def replace(self, rubric: Rubric, key_id: str) -> RubricRecord:
        stored = at_version(rubric.name, _numbers_of(rubric))
        record = RubricRecord(rubric, datetime.now(UTC), key_id, used=False)
        content = {"created_at": record.created_at, "key_id": key_id, "rubric": RUBRIC.encode(rubric)}

        def replace(connection: Connection) -> None:
            if connection.execute(update(rubrics).where(stored, ~rubrics.c.used).values(content)).rowcount:
                return
            if connection.execute(select(rubrics.c.used).where(stored)).first() is None:
                raise _none()
            raise Conflict("Grades were added up by this version: it can no longer change.", param="version")

        await self._database.write(replace)
        return record

    async def get(self, name: str, version: str | None = None) -> RubricRecord:
        question = select(rubrics).where(rubrics.c.name == name)
        if version is None:
            question = question.order_by(*(column.desc() for column in _PLACE[1:])).limit(1)
        else:
            at = numbers(version)
            if at is None:
                raise _none()
            question = question.where(at_version(name, at))
        row = await self._database.read(lambda connection: connection.execute(question).first())
        if row is None:
            raise _none()
        return _record(row)

    async def find(self, name: str | None, after: str | None, limit: int) -> list[RubricRecord]:
        """`after` need not be there any more. Raises InvalidRequest when it is no name@version."""
        question = select(rubrics).order_by(*_PLACE).limit(limit)
        if name is not None:
            question = question.where(rubrics.c.name == name)
        if after is not None:
            last, _, version = after.rpartition("@")
            at = numbers(version)
            if at is None:
                raise InvalidRequest("This is no name@version to go on from.", param="after")
            question = question.where(tuple_(*_PLACE) > (last, *at))
        rows = await self._database.read(lambda connection: connection.execute(question).all())
        return _records(rows)


def _numbers_of(rubric: Rubric) -> Numbers:
    found = numbers(rubric.version)
    if found is None:
        raise InvalidRequest("A version is major.minor.patch.", param="version")
    return found


def _none() -> NotFound:
    return NotFound("There is no rubric of that name and version.", param="rubric_id")


def _records(rows: Sequence[Any]) -> list[RubricRecord]:
    return [_record(row) for row in rows]


def _record(row: Any) -> RubricRecord:
    return RubricRecord(RUBRIC.decode(row.rubric), row.created_at, row.key_id, row.used)
