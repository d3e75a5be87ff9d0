"""Each key is graded once: claims are rows with a lease, given and taken in one statement each."""

import time
import uuid

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    cast,
    delete,
    extract,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from gateway.adapters.database.codec import CALL, GRADE, RUBRIC, with_calls
from gateway.adapters.database.database import Database
from gateway.adapters.database.rows import WholeGrade, insert_into, inserted, whole_grade, whole_record
from gateway.adapters.database.rubrics import at_version, numbers
from gateway.adapters.database.tables import claims, grades, model_calls, rubrics
from gateway.domain import Rubric
from gateway.grading.rubric import without_tests
from gateway.records import GradeRecord


class DatabaseLedger:
    """Implements Ledger. One for each process: what it holds, it may claim again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owner = uuid.uuid4().hex

    async def claim(self, key: str, lease_s: float) -> GradeRecord | bool:
        # What is graded already, the more frequent case when it is asked for again, takes no lock.
        found = await self._database.read(lambda connection: _newest(connection, key))
        if found is None:
            answer = await self._database.write(
                lambda connection: _claimed(connection, key, self._owner, lease_s)
            )
            if isinstance(answer, bool):
                return answer
            found = answer
        return whole_record(found)

    async def keep(self, record: GradeRecord) -> GradeRecord:
        row = _row(record)
        calls = [
            {
                "grade_id": record.id,
                "position": position,
                "prompt_tokens": call.usage.prompt_tokens,
                "completion_tokens": call.usage.completion_tokens,
                "ms": call.ms,
                "call": CALL.encode(call),
            }
            for position, call in enumerate(record.grade.calls)
        ]

        def keep(connection: Connection) -> WholeGrade | None:
            new = insert_into(connection, grades).on_conflict_do_nothing(index_elements=[grades.c.id])
            is_new = inserted(connection, new, row)
            if is_new:
                if calls:
                    connection.execute(insert(model_calls), calls)
                _mark_used(connection, record.rubric)
            # Also a claim that somebody has taken over meanwhile: there is a grade now.
            connection.execute(delete(claims).where(claims.c.key == record.key))
            this = select(grades.c.id, grades.c.record).where(grades.c.id == record.id)
            return None if is_new else whole_grade(connection, this)

        there = await self._database.write(keep)
        return whole_record(there) if there else record

    async def give_back(self, key: str) -> None:
        """Only what is still ours: somebody may have taken it over when its lease had run out."""
        mine = delete(claims).where(claims.c.key == key, claims.c.owner == self._owner)
        await self._database.write(lambda connection: connection.execute(mine).rowcount)


def _newest(connection: Connection, key: str) -> WholeGrade | None:
    of_key = select(grades.c.id, grades.c.record).where(grades.c.key == key)
    return whole_grade(connection, of_key.order_by(grades.c.created_at.desc(), grades.c.id.desc()).limit(1))


def _claimed(connection: Connection, key: str, owner: str, lease_s: float) -> WholeGrade | bool:
    now = clock(connection)
    new = insert_into(connection, claims).values(key=key, owner=owner, expires_s=now + lease_s)
    taken = new.on_conflict_do_update(
        index_elements=[claims.c.key],
        set_={"owner": new.excluded.owner, "expires_s": new.excluded.expires_s},
        where=or_(claims.c.expires_s <= now, claims.c.owner == owner),
    )
    if not inserted(connection, taken):
        return False
    # Whoever held the key until now may have kept a grade since we looked: both in one transaction of theirs.
    found = _newest(connection, key)
    if found is None:
        return True
    connection.execute(delete(claims).where(claims.c.key == key))
    return found


def clock(connection: Connection) -> ColumnElement[float]:
    """Seconds since the epoch by one clock for all who claim: PostgreSQL's, or this machine's, on which alone
    SQLite's file is shared. Read when a row's lock has been waited for, not when the transaction began."""
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()), Float(53))
    return literal(time.time(), Float(53))


def _mark_used(connection: Connection, rubric: Rubric) -> None:
    """Where that very rubric is stored. Its row is locked only while it is unused: it must not be replaced
    between our look and our mark."""
    rubric = without_tests(rubric)
    version = numbers(rubric.version)
    if version is None:
        return
    stored = at_version(rubric.name, version)
    unused = select(rubrics.c.rubric).where(stored, ~rubrics.c.used).with_for_update()
    text = connection.scalar(unused)
    if text is not None and RUBRIC.decode(text) == rubric:
        connection.execute(update(rubrics).where(stored).values(used=True))


def _row(record: GradeRecord) -> dict[str, object]:
    grade = record.grade
    return {
        "id": record.id,
        "key": record.key,
        "created_at": record.created_at,
        "key_id": record.key_id,
        "submission_id": record.submission.submission_id,
        "rubric_name": record.rubric.name,
        "rubric_version": record.rubric.version,
        "grader": grade.grader,
        "model": grade.versions.get("model", ""),
        "score": grade.score,
        "max_score": grade.max_score,
        "confidence": grade.confidence,
        "needs_review": bool(grade.review_reasons),
        "reviewed": False,
        "record": GRADE.encode(with_calls(record, ())),
    }
