"""What is older than it may be is deleted, a few grades or jobs at a time: nobody waits long for the lock."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, or_, select, tuple_

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift_rows import OPEN
from gateway.adapters.database.drift_tables import drift_references, drift_runs, traffic
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.tables import (
    answer_grades,
    answers,
    audit,
    claims,
    corrections,
    grades,
    model_calls,
    rubrics,
)
from gateway.adapters.database.traffic import older, prune_some
from gateway.adapters.database.training_tables import (
    dataset_versions,
    model_versions,
    registry_tasks,
    training_events,
    training_jobs,
)

_BATCH = 100  # grades in one transaction: 25 ms with SQLite, 13 with PostgreSQL (four calls of 5 KB each)
_JOBS = 10  # in one transaction, up to a thousand lines of log each
_ANSWER = (answers.c.key_id, answers.c.idempotency_key)


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of each kind."""

    grades: int = 0
    calls: int = 0
    corrections: int = 0
    answers: int = 0
    jobs: int = 0
    events: int = 0
    observations: int = 0
    runs: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


async def prune(database: Database, before: datetime) -> Counts:
    """Deletes grades made before that time with their audit and corrections, answers that name one of them,
    claims that have run out, training jobs that ended before that time with their logs, what was observed of
    the traffic before and what came of comparing it. Rubrics stay, and stay used, and so do drift references;
    data sets and models are deleted by their owners alone, the audit by its own age. Returns what was
    deleted."""
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
    over = select(training_jobs.c.id).where(training_jobs.c.ended_at < before)

    def count(connection: Connection) -> Counts:
        return Counts(
            _count(connection, grades, grades.c.created_at < before),
            _count(connection, model_calls, model_calls.c.grade_id.in_(old)),
            _count(connection, corrections, corrections.c.grade_id.in_(old)),
            _count(connection, answers, or_(answers.c.created_at < before, _naming(old))),
            _count(connection, training_jobs, training_jobs.c.ended_at < before),
            _count(connection, training_events, training_events.c.job_id.in_(over)),
            _count(connection, traffic, older(before)),
            _count(connection, drift_runs, _compared(before)),
        )

    return await database.read(count)


async def counts(database: Database) -> dict[str, int]:
    """How many rows there are of each, by table."""

    def count(connection: Connection) -> dict[str, int]:
        grading = (grades, model_calls, corrections, answers, rubrics, claims)
        training = (dataset_versions, training_jobs, training_events, model_versions, registry_tasks)
        tables = (*grading, *training, traffic, drift_references, drift_runs, audit)
        return {table.name: _count(connection, table) for table in tables}

    return await database.read(count)


def _prune_some(connection: Connection, before: datetime) -> Counts:
    oldest = select(grades.c.id).where(grades.c.created_at < before).order_by(grades.c.created_at)
    ids = list(connection.scalars(oldest.limit(_BATCH)))
    old = select(*_ANSWER).where(answers.c.created_at < before).limit(_BATCH)
    over = select(training_jobs.c.id).where(training_jobs.c.ended_at < before)
    jobs = list(connection.scalars(over.order_by(training_jobs.c.ended_at).limit(_JOBS)))
    compared = select(drift_runs.c.id).where(_compared(before)).order_by(drift_runs.c.created_at)
    runs = list(connection.scalars(compared.limit(_BATCH)))

    def deleted(table: Table, which: ColumnElement[bool]) -> int:
        return connection.execute(delete(table).where(which)).rowcount

    return Counts(
        answers=deleted(answers, _naming(ids)) + deleted(answers, tuple_(*_ANSWER).in_(old)),
        calls=deleted(model_calls, model_calls.c.grade_id.in_(ids)),
        corrections=deleted(corrections, corrections.c.grade_id.in_(ids)),
        grades=deleted(grades, grades.c.id.in_(ids)),
        events=deleted(training_events, training_events.c.job_id.in_(jobs)),
        jobs=deleted(training_jobs, training_jobs.c.id.in_(jobs)),
        observations=prune_some(connection, before),
        runs=deleted(drift_runs, drift_runs.c.id.in_(runs)),
    )


def _compared(before: datetime) -> ColumnElement[bool]:
    """Comparisons that are over and were asked for before that time."""
    return and_(drift_runs.c.created_at < before, drift_runs.c.state.not_in(OPEN))


def _forget_claims(connection: Connection) -> None:
    connection.execute(delete(claims).where(claims.c.expires_s <= clock(connection)))


def _naming(ids: Sequence[str] | Select[str]) -> ColumnElement[bool]:
    """Answers that name one of these grades."""
    names = select(answer_grades.c.key_id, answer_grades.c.idempotency_key)
    return tuple_(*_ANSWER).in_(names.where(answer_grades.c.grade_id.in_(ids)))


def _count(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
