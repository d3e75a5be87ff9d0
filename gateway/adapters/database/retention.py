"""What is older than it may be is deleted, a few grades at a time: nobody waits long for the lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, or_, select, tuple_

from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.tables import (
    answer_grades,
    answers,
    claims,
    corrections,
    grades,
    model_calls,
    rubrics,
)

_BATCH = 100  # grades in one transaction: 25 ms with SQLite, 13 with PostgreSQL (four calls of 5 KB each)
_ANSWER = (answers.c.key_id, answers.c.idempotency_key)


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of each kind."""

    grades: int = 0
    calls: int = 0
    corrections: int = 0
    answers: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.grades + other.grades,
            self.calls + other.calls,
            self.corrections + other.corrections,
            self.answers + other.answers,
        )


async def prune(database: Database, before: datetime) -> Counts:
    """Deletes grades made before that time with their audit and corrections, answers that name one of them,
    and claims that have run out. Rubrics stay, and stay used. Returns what was deleted."""
    await database.write(_forget_claims)
    total = Counts()
    while True:
        deleted = await database.write(lambda connection: _prune_some(connection, before))
        total += deleted
        if deleted == Counts():
            return total


async def prunable(database: Database, before: datetime) -> Counts:
    """What `prune` would delete."""
    old = select(grades.c.id).where(grades.c.created_at < before)

    def count(connection: Connection) -> Counts:
        return Counts(
            _count(connection, grades, grades.c.created_at < before),
            _count(connection, model_calls, model_calls.c.grade_id.in_(old)),
            _count(connection, corrections, corrections.c.grade_id.in_(old)),
            _count(connection, answers, or_(answers.c.created_at < before, _naming(old))),
        )

    return await database.read(count)


async def counts(database: Database) -> dict[str, int]:
    """How many there are of each: grades, calls, corrections, answers, rubrics, claims."""

    def count(connection: Connection) -> dict[str, int]:
        tables = (grades, model_calls, corrections, answers, rubrics, claims)
        return {table.name: _count(connection, table) for table in tables}

    return await database.read(count)


def _prune_some(connection: Connection, before: datetime) -> Counts:
    oldest = select(grades.c.id).where(grades.c.created_at < before).order_by(grades.c.created_at)
    ids = list(connection.scalars(oldest.limit(_BATCH)))
    old = select(*_ANSWER).where(answers.c.created_at < before).limit(_BATCH)

    def deleted(table: Table, which: ColumnElement[bool]) -> int:
        return connection.execute(delete(table).where(which)).rowcount

    return Counts(
        answers=deleted(answers, _naming(ids)) + deleted(answers, tuple_(*_ANSWER).in_(old)),
        calls=deleted(model_calls, model_calls.c.grade_id.in_(ids)),
        corrections=deleted(corrections, corrections.c.grade_id.in_(ids)),
        grades=deleted(grades, grades.c.id.in_(ids)),
    )


def _forget_claims(connection: Connection) -> None:
    connection.execute(delete(claims).where(claims.c.expires_s <= clock(connection)))


def _naming(ids: Sequence[str] | Select[str]) -> ColumnElement[bool]:
    """Answers that name one of these grades."""
    names = select(answer_grades.c.key_id, answer_grades.c.idempotency_key)
    return tuple_(*_ANSWER).in_(names.where(answer_grades.c.grade_id.in_(ids)))


def _count(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
