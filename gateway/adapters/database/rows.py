"""Questions that more than one port asks: rows of grades, and inserts that give way to what is there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Select, Table, and_, literal, not_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from gateway.adapters.database.codec import CALL, GRADE, with_calls
from gateway.adapters.database.tables import Utc, grades, model_calls
from gateway.errors import InvalidRequest
from gateway.records import GradeQuery, GradeRecord

WholeGrade = tuple[str, list[str]]  # the JSON of a grade and of each of its calls


def insert_into(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """An insert that knows ON CONFLICT, which both engines write in the same way."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def inserted(connection: Connection, insert: Insert, row: Mapping[str, object] | None = None) -> bool:
    """Whether it has changed anything: what was there may have been in its way."""
    result = connection.execute(insert, row, execution_options={"preserve_rowcount": True})
    return result.rowcount > 0


def whole_grade(connection: Connection, question: Select[str, str]) -> WholeGrade | None:
    """Of the first row of `question` (id, record)."""
    found = connection.execute(question).first()
    if found is None:
        return None
    calls = select(model_calls.c.call).where(model_calls.c.grade_id == found.id)
    return found.record, list(connection.scalars(calls.order_by(model_calls.c.position)))


def whole_record(found: WholeGrade) -> GradeRecord:
    """The grade with its audit. Raises StoreUnavailable when it cannot be read."""
    record, calls = found
    return with_calls(GRADE.decode(record), tuple(CALL.decode(call) for call in calls))


def records(texts: Iterable[str]) -> list[GradeRecord]:
    """Grades without their audit. Raises StoreUnavailable when one cannot be read."""
    return [GRADE.decode(text) for text in texts]


def page_of(connection: Connection, question: Select[*tuple[Any, ...]], query: GradeQuery) -> Sequence[Any]:
    """The rows of `question`, which is about grades, that the query asks for, newest first. Raises
    InvalidRequest for an `after` that is no grade."""
    question = question.where(*_conditions(query))
    if query.after is not None:
        at = connection.scalar(select(grades.c.created_at).where(grades.c.id == query.after))
        if at is None:
            raise InvalidRequest("There is no grade of that id to go on from.", param="after")
        behind = tuple_(literal(at, Utc), literal(query.after, grades.c.id.type))
        question = question.where(tuple_(grades.c.created_at, grades.c.id) < behind)
    newest_first = question.order_by(grades.c.created_at.desc(), grades.c.id.desc())
    return connection.execute(newest_first.limit(query.limit)).all()


def _conditions(query: GradeQuery) -> list[ColumnElement[bool]]:
    equal = {
        "key_id": query.key_id,
        "grader": query.grader,
        "model": query.model,
        "submission_id": query.submission_id,
    }
    if query.rubric is not None:
        name, at, version = query.rubric.rpartition("@")
        equal |= {"rubric_name": name, "rubric_version": version} if at else {"rubric_name": query.rubric}
    conditions: list[ColumnElement[bool]] = [
        grades.c[column] == value for column, value in equal.items() if value is not None
    ]
    if query.waiting is not None:
        waits = and_(not_(grades.c.reviewed), grades.c.needs_review)
        conditions.append(waits if query.waiting else not_(waits))
    if query.since is not None:
        conditions.append(grades.c.created_at >= query.since)
    return conditions
