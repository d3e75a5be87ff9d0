"""What people said of grades."""

import asyncio
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from gateway.adapters.database.codec import CORRECTION, GRADE
from gateway.adapters.database.database import Database
from gateway.adapters.database.rows import page_of
from gateway.adapters.database.tables import corrections, grades
from gateway.errors import NotFound
from gateway.records import Correction, GradeQuery, Judged, Marks


class DatabaseReviews:
    """Implements Reviews."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def correct(self, correction: Correction) -> None:
        text = CORRECTION.encode(correction)

        def correct(connection: Connection) -> None:
            # Locks the grade's row: of two at once the second counts on from the first.
            judged = update(grades).where(grades.c.id == correction.grade_id).values(reviewed=True)
            if not connection.execute(judged).rowcount:
                raise NotFound("There is no grade of that id.", param="id")
            last = select(func.coalesce(func.max(corrections.c.number), 0)).where(
                corrections.c.grade_id == correction.grade_id
            )
            row = {
                "grade_id": correction.grade_id,
                "number": (connection.scalar(last) or 0) + 1,
                "created_at": correction.created_at,
                "key_id": correction.key_id,
                "score": correction.score,
                "max_score": correction.max_score,
                "correction": text,
            }
            connection.execute(insert(corrections), row)

        await self._database.write(correct)

    async def corrections(self, grade_id: str) -> list[Correction]:
        """In the order in which they were written down, whatever their clocks said."""
        question = select(corrections.c.correction).where(corrections.c.grade_id == grade_id)
        texts = await self._database.read(
            lambda connection: connection.scalars(question.order_by(corrections.c.number)).all()
        )
        return [CORRECTION.decode(text) for text in texts]

    async def judged(self, query: GradeQuery) -> list[Judged]:
        """Without `grade.calls`, as Grades.find."""
        question = _with_last_word(select(grades.c.record, corrections.c.correction))
        page = await self._database.read(lambda connection: page_of(connection, question, query))
        return await asyncio.to_thread(_judged, [(row.record, row.correction) for row in page])

    async def marks(self, most: int) -> list[Marks]:
        """From the columns alone: 10,000 records would be read for seconds."""
        question = _with_last_word(
            select(
                grades.c.rubric_name + "@" + grades.c.rubric_version,
                grades.c.grader,
                grades.c.model,
                grades.c.score / grades.c.max_score,
                corrections.c.score / corrections.c.max_score,
            )
        )
        newest = question.order_by(grades.c.created_at.desc(), grades.c.id.desc()).limit(most)
        return await self._database.read(
            lambda connection: [Marks(*row) for row in connection.execute(newest)]
        )


def _with_last_word(question: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Of grades that a person has looked at."""
    of_grade = corrections.alias("of_grade")
    last = select(func.max(of_grade.c.number)).where(of_grade.c.grade_id == grades.c.id)
    return question.join_from(grades, corrections, corrections.c.grade_id == grades.c.id).where(
        grades.c.reviewed, corrections.c.number == last.scalar_subquery()
    )


def _judged(texts: list[tuple[str, str]]) -> list[Judged]:
    return [Judged(GRADE.decode(record), CORRECTION.decode(correction)) for record, correction in texts]
