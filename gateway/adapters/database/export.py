"""Everything that is kept of grades, as lines."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, Table, literal, select, tuple_

from gateway.adapters.database.database import Database
from gateway.adapters.database.tables import Utc, corrections, grades, model_calls

_BATCH = 50  # grades in memory at once


async def export(database: Database) -> AsyncIterator[bytes]:
    """One JSON object a grade, oldest first: `{"grade", "calls", "corrections"}`, each as it is stored, texts
    masked. Grades that are made meanwhile come last. Raises StoreUnavailable."""
    last: Any = None  # row
    while page := await database.read(partial(_page, last=last)):
        for row, calls, judged in page:
            yield orjson.dumps(
                {
                    "grade": orjson.Fragment(row.record),
                    "calls": [orjson.Fragment(text) for text in calls],
                    "corrections": [orjson.Fragment(text) for text in judged],
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
            last = row


def _page(connection: Connection, last: Any) -> list[tuple[Any, list[str], list[str]]]:
    question = select(grades.c.created_at, grades.c.id, grades.c.record)
    if last is not None:
        before = tuple_(literal(last.created_at, Utc), literal(last.id, grades.c.id.type))
        question = question.where(tuple_(grades.c.created_at, grades.c.id) > before)
    rows = connection.execute(question.order_by(grades.c.created_at, grades.c.id).limit(_BATCH)).all()
    ids = [row.id for row in rows]
    calls = _by_grade(connection, model_calls, "position", "call", ids)
    judged = _by_grade(connection, corrections, "number", "correction", ids)
    return [(row, calls[row.id], judged[row.id]) for row in rows]


def _by_grade(
    connection: Connection, table: Table, order: str, text: str, ids: Sequence[str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {grade_id: [] for grade_id in ids}
    question = select(table.c.grade_id, table.c[text]).where(table.c.grade_id.in_(ids))
    for grade_id, one in connection.execute(question.order_by(table.c.grade_id, table.c[order])):
        found[grade_id].append(one)
    return found
