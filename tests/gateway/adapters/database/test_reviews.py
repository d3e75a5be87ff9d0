"""People's words on grades: all are kept, the last one counts."""

import asyncio

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.errors import NotFound
from gateway.records import GradeQuery
from tests.gateway.adapters.database.facts import correction, record


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
