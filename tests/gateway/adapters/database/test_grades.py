"""Grades as they are asked for: whole by id, in pages by what is known of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from gateway.adapters.database.database import Database
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.rows import page_of
from gateway.adapters.database.tables import grades as table
from gateway.errors import InvalidRequest, NotFound
from gateway.records import GradeQuery
from tests.gateway.adapters.database.facts import NOON, correction, record, rubric


@pytest.fixture
def grades(database: Database) -> DatabaseGrades:
    return DatabaseGrades(database)


async def numbers(grades: DatabaseGrades, query: GradeQuery) -> list[int]:
    return [int(found.id.removeprefix("grade_"), 16) for found in await grades.find(query)]


async def test_a_grade_is_read_with_its_audit(ledger: DatabaseLedger, grades: DatabaseGrades) -> None:
    kept = record(1, calls=12, text="\0 nothing is lost: \U0001f600 \u2028", submission_id="s-1")
    await ledger.keep(kept)
    assert await grades.get(kept.id) == kept


async def test_there_is_no_grade_that_nobody_has_kept(grades: DatabaseGrades) -> None:
    with pytest.raises(NotFound):
        await grades.get("grade_none")


async def test_a_page_is_without_the_audit(ledger: DatabaseLedger, grades: DatabaseGrades) -> None:
    kept = record(1)
    await ledger.keep(kept)
    assert await grades.find(GradeQuery()) == [replace(kept, grade=replace(kept.grade, calls=()))]


async def test_every_field_of_a_query_narrows_it(
    ledger: DatabaseLedger, grades: DatabaseGrades, database: Database
) -> None:
    for kept in (
        record(1, key_id="lab", submission_id="s-1"),
        record(2, by=rubric("1.10.0"), grader="grader-embedding"),
        record(3, by=rubric(name="essays"), doubts=("low_confidence",)),
        record(4, by=rubric("1.10.0"), doubts=("low_confidence",), model="large", submission_id="s-1"),
        record(5, doubts=("fallback",), calls=0),
    ):
        await ledger.keep(kept)
    await DatabaseReviews(database).correct(correction(record(4)))
    for query, expected in (
        (GradeQuery(), [5, 4, 3, 2, 1]),
        (GradeQuery(key_id="lab"), [1]),
        (GradeQuery(rubric="essay"), [5, 4, 2, 1]),
        (GradeQuery(rubric="essay@1.10.0"), [4, 2]),
        (GradeQuery(rubric="essay@1.1.0"), []),
        (GradeQuery(grader="grader-embedding"), [2]),
        (GradeQuery(model="large"), [4]),
        (GradeQuery(submission_id="s-1"), [4, 1]),
        (GradeQuery(waiting=True), [5, 3]),
        (GradeQuery(waiting=False), [4, 2, 1]),
        (GradeQuery(since=NOON + timedelta(minutes=4)), [5, 4]),
        (GradeQuery(rubric="essay", waiting=False, model="tiny", limit=1), [2]),
    ):
        assert await numbers(grades, query) == expected, query


async def test_pages_neither_repeat_nor_skip_while_grades_come_in(
    ledger: DatabaseLedger, grades: DatabaseGrades
) -> None:
    """Also among grades of the same moment."""
    for number in range(7):
        await ledger.keep(record(number, minutes=number // 3, calls=0))
    query, seen = GradeQuery(limit=2), []
    while page := await grades.find(query):
        seen += [found.id for found in page]
        query = replace(query, after=page[-1].id)
        await ledger.keep(record(100 + len(seen), minutes=60, calls=0))
    assert seen == [record(number).id for number in (6, 5, 4, 3, 2, 1, 0)]


async def test_what_is_no_grade_cannot_be_gone_on_from(grades: DatabaseGrades) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await grades.find(GradeQuery(after="grade_none"))
    assert refusal.value.param == "after"


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("query", "index"),
    [
        (GradeQuery(), "grades_by_created_at_id"),
        (GradeQuery(key_id="a"), "grades_by_key_id_created_at_id"),
        (GradeQuery(rubric="a"), "grades_by_rubric_name_created_at_id"),
        (GradeQuery(rubric="a@1.0.0"), "grades_by_rubric_name_rubric_version_created_at_id"),
        (GradeQuery(grader="a"), "grades_by_grader_created_at_id"),
        (GradeQuery(model="a"), "grades_by_model_created_at_id"),
        (GradeQuery(submission_id="a"), "grades_by_submission_id_created_at_id"),
        (GradeQuery(waiting=True), "grades_by_reviewed_needs_review_created_at_id"),
        (GradeQuery(since=NOON), "grades_by_created_at_id"),
    ],
)
async def test_each_question_is_read_off_an_index_and_not_sorted(
    ledger: DatabaseLedger, database: Database, query: GradeQuery, index: str
) -> None:
    await ledger.keep(record(1))
    query = replace(query, after=record(1).id)

    def plan(connection: Connection) -> list[str]:
        asked: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
        page_of(connection, select(table.c.record), query)
        statement, parameters = asked[-1]
        return [
            row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    (step,) = await database.read(plan)
    assert f"USING INDEX {index} (" in step
    assert "created_at" in step
