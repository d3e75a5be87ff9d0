"""People's words on grades: all are kept, the last one counts."""

import asyncio
from dataclasses import replace

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.rubrics import DatabaseRubrics
from gateway.domain import Caller, Role
from gateway.errors import NotFound
from gateway.records import GradeQuery, Marks
from gateway.reviews import GraderAgreement, ReviewDesk
from gateway.rubrics import RubricBook
from tests.gateway.adapters.database.facts import correction, record, rubric


@pytest.fixture
def reviews(database: Database) -> DatabaseReviews:
    return DatabaseReviews(database)


async def test_every_correction_stays_in_the_order_in_which_they_came(
    ledger: DatabaseLedger, reviews: DatabaseReviews
) -> None:
    await ledger.keep(record(1))
    words = [correction(record(1), score) for score in (5.0, 6.0, 5.0)]
    for word in words:
        await reviews.correct(word)
    assert await reviews.corrections(record(1).id) == words
    assert await reviews.corrections(record(2).id) == []


async def test_what_is_not_there_is_not_corrected(reviews: DatabaseReviews) -> None:
    with pytest.raises(NotFound):
        await reviews.correct(correction(record(1)))


async def test_none_of_many_corrections_at_once_is_lost(
    ledger: DatabaseLedger, reviews: DatabaseReviews
) -> None:
    await ledger.keep(record(1))
    scores = [float(n) for n in range(8)]
    await asyncio.gather(*(reviews.correct(correction(record(1), score)) for score in scores))
    assert sorted(word.score for word in await reviews.corrections(record(1).id)) == scores


async def test_judged_grades_come_with_the_last_word_newest_first(
    ledger: DatabaseLedger, reviews: DatabaseReviews
) -> None:
    for number in range(1, 5):
        await ledger.keep(record(number, grader="grader-embedding" if number == 4 else "grader-llm", calls=0))
    for number, score in ((3, 1.0), (1, 2.0), (4, 3.0), (1, 4.0)):
        await reviews.correct(correction(record(number), score))

    async def judged(query: GradeQuery) -> list[tuple[str, float]]:
        return [(one.record.id, one.correction.score) for one in await reviews.judged(query)]

    all_of_them = [(record(4).id, 3.0), (record(3).id, 1.0), (record(1).id, 4.0)]
    assert await judged(GradeQuery()) == all_of_them
    assert await judged(GradeQuery(grader="grader-llm")) == all_of_them[1:]
    assert await judged(GradeQuery(limit=2)) == all_of_them[:2]
    assert await judged(GradeQuery(limit=2, after=record(3).id)) == all_of_them[2:]


async def test_equally_doubtful_grades_wait_newest_first_each_time(
    database: Database, ledger: DatabaseLedger, reviews: DatabaseReviews
) -> None:
    for number in (2, 4, 1, 3):  # 1 and 2 of the same minute
        await ledger.keep(record(number, minutes=max(number, 2), doubts=("unsure",), calls=0))
    surest = record(5, doubts=("unsure",), calls=0)
    await ledger.keep(replace(surest, grade=replace(surest.grade, confidence=0.9)))
    desk = ReviewDesk(DatabaseGrades(database), reviews, ledger, RubricBook(DatabaseRubrics(database)))
    expected = [record(number).id for number in (4, 3, 2, 1, 5)]
    for _ in range(2):
        queue, _ = await desk.queue(Caller("ann", Role.ADMIN, 60), GradeQuery())
        assert [one.id for one in queue] == expected


async def test_marks_are_those_of_the_judged_grades_newest_first(
    ledger: DatabaseLedger, reviews: DatabaseReviews
) -> None:
    for number in range(1, 4):
        await ledger.keep(record(number, calls=0))
    for number, score in ((1, 2.0), (3, 1.0), (1, 4.0)):
        await reviews.correct(correction(record(number), score, max_score=5.0))
    newest = Marks("essay@1.0.0", "grader-llm", "tiny", 0.75, 0.2)
    assert await reviews.marks(10) == [newest, replace(newest, human=0.8)]
    assert await reviews.marks(1) == [newest]


async def test_the_agreement_of_marks_is_that_of_whole_records(
    database: Database, ledger: DatabaseLedger, reviews: DatabaseReviews
) -> None:
    for number in range(1, 9):
        grader = "grader-embedding" if number % 3 else "grader-llm"
        await ledger.keep(record(number, grader=grader, by=rubric(f"1.{number % 2}.0"), calls=0))
        await reviews.correct(correction(record(number), number % 5 * 2.0))
    desk = ReviewDesk(DatabaseGrades(database), reviews, ledger, RubricBook(DatabaseRubrics(database)))
    whole = await desk.agreement(Caller("ann", Role.ADMIN, 60), GradeQuery())

    def figures(found: list[GraderAgreement]) -> list[tuple[object, ...]]:
        told = []
        for one in found:
            overall = one.agreement.overall
            values = [
                figure and figure.value
                for figure in (overall.kappa, overall.exact, overall.mae, overall.bias)
            ]
            told.append((one.rubric, one.grader, one.model, overall.n, *values))
        return told

    assert len(whole) == 4
    assert figures(await desk.overall()) == figures(whole)
