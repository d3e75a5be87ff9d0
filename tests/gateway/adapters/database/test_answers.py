"""What was answered under an idempotency key."""

import asyncio

from gateway.adapters.database.answers import DatabaseAnswers
from gateway.adapters.database.database import Database


async def test_an_answer_is_recalled_by_its_key_and_by_nobody_else(database: Database) -> None:
    answers = DatabaseAnswers(database)
    await answers.remember("bot", "try-1", "hash", ["grade_b", "grade_a", "grade_b"])
    assert await answers.recall("bot", "try-1") == ("hash", ("grade_b", "grade_a", "grade_b"))
    assert await answers.recall("lab", "try-1") is None
    assert await answers.recall("bot", "try-2") is None


async def test_of_two_answers_the_first_stays_whole(database: Database) -> None:
    answers = DatabaseAnswers(database)
    await answers.remember("bot", "try-1", "hash", ["grade_a"])
    await answers.remember("bot", "try-1", "other", ["grade_b", "grade_c"])
    assert await answers.recall("bot", "try-1") == ("hash", ("grade_a",))
    await asyncio.gather(*(answers.remember("bot", "try-2", str(n), [str(n)] * 3) for n in range(8)))
    recalled = await answers.recall("bot", "try-2")
    assert recalled is not None
    assert recalled[1] == (recalled[0],) * 3


async def test_an_answer_without_grades_is_remembered_too(database: Database) -> None:
    answers = DatabaseAnswers(database)
    await answers.remember("bot", "try-1", "hash", [])
    assert await answers.recall("bot", "try-1") == ("hash", ())
