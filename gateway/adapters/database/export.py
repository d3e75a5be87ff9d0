"""Everything that is kept of grades and of training jobs, as lines."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, Select, Table, literal, select, tuple_

from gateway.adapters.database.database import Database
from gateway.adapters.database.tables import Utc, corrections, grades, model_calls
from gateway.adapters.database.training_tables import training_events, training_jobs

_BATCH = 50  # grades or jobs in memory at once
_JSON = ("request", "metrics")  # columns of a job that are JSON themselves
_OURS = ("owner", "until_s", "events", "idempotency_key", "body_hash")  # how the store works with a job


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


async def export_jobs(database: Database) -> AsyncIterator[bytes]:
    """One JSON object a training job, oldest first: `{"job", "events"}`. Raises StoreUnavailable."""
    last: Any = None  # row
    while page := await database.read(partial(_jobs_page, last=last)):
        for row, lines in page:
            job = {str(name): value for name, value in row._mapping.items() if name not in _OURS}
            job |= {name: orjson.Fragment(job[name]) for name in _JSON}
            yield orjson.dumps({"job": job, "events": lines}, option=orjson.OPT_APPEND_NEWLINE)
            last = row


def _page(connection: Connection, last: Any) -> list[tuple[Any, list[str], list[str]]]:
    question = select(grades.c.created_at, grades.c.id, grades.c.record)
    rows = _oldest(connection, question, grades, last)
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


def _jobs_page(connection: Connection, last: Any) -> list[tuple[Any, list[dict[str, Any]]]]:
    rows = _oldest(connection, select(training_jobs), training_jobs, last)
    lines: dict[str, list[dict[str, Any]]] = {row.id: [] for row in rows}
    question = select(training_events).where(training_events.c.job_id.in_(lines))
    in_order = question.order_by(training_events.c.job_id, training_events.c.number)
    for event in connection.execute(in_order).mappings():
        line = {str(name): value for name, value in event.items()}
        lines[line.pop("job_id")].append(line)
    return [(row, lines[row.id]) for row in rows]


def _oldest(connection: Connection, question: Select[Any], table: Table, last: Any) -> Sequence[Any]:
    """The next rows of `question` by when they were made."""
    age = (table.c.created_at, table.c.id)
    if last is not None:
        before = tuple_(literal(last.created_at, Utc), literal(last.id, table.c.id.type))
        question = question.where(tuple_(*age) > before)
    return connection.execute(question.order_by(*age).limit(_BATCH)).all()
