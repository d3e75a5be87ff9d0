"""Grades as they are asked for."""

import asyncio

from sqlalchemy import select

from gateway.adapters.database.database import Database
from gateway.adapters.database.rows import page_of, records, whole_grade, whole_record
from gateway.adapters.database.tables import grades
from gateway.errors import NotFound
from gateway.records import GradeQuery, GradeRecord


class DatabaseGrades:
    """Implements Grades."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, grade_id: str) -> GradeRecord:
        question = select(grades.c.id, grades.c.record).where(grades.c.id == grade_id)
        found = await self._database.read(lambda connection: whole_grade(connection, question))
        if found is None:
            raise NotFound("There is no grade of that id.", param="id")
        return whole_record(found)

    async def find(self, query: GradeQuery) -> list[GradeRecord]:
        """Without `grade.calls`: a page of prompts is megabytes. `get` has them."""
        question = select(grades.c.record)
        page = await self._database.read(lambda connection: page_of(connection, question, query))
        return await asyncio.to_thread(records, [row.record for row in page])
