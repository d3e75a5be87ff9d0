"""Each submission is graded once, and nothing is answered that is not kept."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.domain import (
    Caller,
    Criterion,
    CriterionGrade,
    Grade,
    Priority,
    Role,
    Rubric,
    Submission,
    Usage,
)
from gateway.errors import BackendUnavailable, Overloaded, StoreUnavailable
from gateway.ledger import GradeBook, Sheet, content_key
from gateway.urgency import USUAL, Urgency, urgency, urgent

RUBRIC = Rubric("r", "1.0.0", (Criterion("CR1", "Right.", 1.0),))
SUBMISSION = Submission("<PERSON_1_aaaaa> says water boils.", "text", None, 10.0, student_id="s1")
CALLER = Caller("platform", Role.GRADER, 600)
SHEET = Sheet(CALLER, SUBMISSION, "aaaaa")
BY = {"grader": "grader-llm", "model": "tiny", "prompt": "p@1"}


def other_hand_in(nonce: str, **who: str) -> Sheet:
    """The same words of another student, masked with another nonce."""
    text = SUBMISSION.text.replace("aaaaa", nonce)
    return Sheet(CALLER, replace(SUBMISSION, text=text, **who), nonce)


class Model:
    """Grades, counts, and waits for leave when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.leave = asyncio.Event()
        self.leave.set()
        self.error: Exception | None = None
        self.makeshift = False
        self.score = 5.0

    async def __call__(self) -> Grade:
        self.asked += 1
        await self.leave.wait()
        if self.error:
            raise self.error
        one = CriterionGrade("CR1", 5.0, 10.0, "", "Half.", 0.5)
        grade = Grade(self.score, 10.0, "Half.", (one,), "grader-llm", BY, 0.9, (), False, Usage(), RUBRIC)
        return replace(grade, makeshift=self.makeshift)


Opened = Callable[..., Awaitable[GradeBook]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """Grade books over one SQLite file, each with a connection of its own, as processes have."""
    async with AsyncExitStack() as stack:

        async def one(lease_s: float = 5.0, wait_s: float = 5.0) -> GradeBook:
            database = Database(f"sqlite:///{tmp_path / 'store.db'}")
            await database.start()
            stack.push_async_callback(database.close)
            return GradeBook(
                DatabaseLedger(database), DatabaseGrades(database), lease_s=lease_s, wait_s=wait_s
            )

        yield one


@pytest.fixture
async def book(opened: Opened) -> GradeBook:
    return await opened()


async def test_the_same_submission_is_graded_once(book: GradeBook) -> None:
    model = Model()
    first, was_there = await book.graded(SHEET, BY, model)
    again, was_there_again = await book.graded(SHEET, BY, model)
    assert (model.asked, was_there, was_there_again) == (1, False, True)
    assert again == first


async def test_concurrent_duplicates_wait_for_the_one_that_grades(book: GradeBook) -> None:
    model = Model()
    model.leave.clear()
    asking = [asyncio.create_task(book.graded(SHEET, BY, model)) for _ in range(5)]
    while not model.asked:
        await asyncio.sleep(0.01)
    model.leave.set()
    found = await asyncio.gather(*asking)
    assert model.asked == 1
    assert len({record.id for record, _ in found}) == 1
    assert sorted(cached for _, cached in found) == [False, True, True, True, True]


async def test_two_processes_grade_once_between_them(opened: Opened) -> None:
    here = await opened()
    there = await opened()
    model = Model()
    model.leave.clear()
    asking = [asyncio.create_task(book.graded(SHEET, BY, model)) for book in (here, there)]
    while not model.asked:
        await asyncio.sleep(0.01)
    model.leave.set()
    (one, _), (other, _) = await asyncio.gather(*asking)
    assert (model.asked, one.id) == (1, other.id)


async def test_another_students_same_words_are_given_the_grade_as_a_grade_of_their_own(
    book: GradeBook,
) -> None:
    model = Model()
    first, _ = await book.graded(SHEET, BY, model)
    other, cached = await book.graded(other_hand_in("bbbbb", student_id="s2"), BY, model)
    same, _ = await book.graded(other_hand_in("ccccc", student_id="s2"), BY, model)
    mine, _ = await book.graded(SHEET, BY, model)
    assert (model.asked, cached) == (1, True)
    assert (other.based_on, other.submission.student_id) == (first.id, "s2")
    # its placeholders are the first one's: nothing of the grade was written anew
    assert (other.nonce, other.submission.text) == (first.nonce, first.submission.text)
    assert len({first.id, other.id}) == 2
    assert (same.id, mine.id) == (other.id, first.id)


async def test_a_grade_asked_for_anew_becomes_the_one_that_is_given_again(book: GradeBook) -> None:
    model = Model()
    first, _ = await book.graded(SHEET, BY, model)
    fresh, cached = await book.graded(SHEET, BY, model, fresh=True)
    newest, _ = await book.graded(SHEET, BY, model)
    assert (model.asked, cached) == (2, False)
    assert first.id != fresh.id == newest.id


async def test_a_grade_asked_for_anew_stays_the_one_after_other_students_have_asked(book: GradeBook) -> None:
    model = Model()
    await book.graded(SHEET, BY, model)
    fresh, _ = await book.graded(SHEET, BY, model, fresh=True)
    other, _ = await book.graded(other_hand_in("bbbbb", student_id="s2"), BY, model)
    mine, _ = await book.graded(SHEET, BY, model)
    assert (mine.id, other.based_on, model.asked) == (fresh.id, fresh.id, 2)


async def test_a_makeshift_grade_is_kept_and_not_given_again(book: GradeBook) -> None:
    model = Model()
    model.makeshift = True
    first, _ = await book.graded(SHEET, BY, model)
    assert (await book._grades.get(first.id)).grade.makeshift
    model.makeshift = False
    second, cached = await book.graded(SHEET, BY, model)
    assert (second.id != first.id, cached, model.asked) == (True, False, 2)


async def test_who_has_lost_the_lease_answers_the_grade_that_is_kept(opened: Opened) -> None:
    stalled, quick = await opened(lease_s=60), await opened()
    model, other = Model(), Model()
    other.score = 9.0
    model.leave.clear()
    late = asyncio.create_task(stalled.graded(SHEET, BY, model))
    while not model.asked:
        await asyncio.sleep(0.01)
    # As if its lease had run out: another process takes over and is first.
    await stalled._ledger.give_back(content_key(SHEET, BY))
    kept, _ = await quick.graded(SHEET, BY, other)
    model.leave.set()
    answered, _ = await late
    assert (answered.id, answered.grade.score) == (kept.id, 9.0)


async def test_a_failed_grading_leaves_the_way_free(book: GradeBook) -> None:
    model = Model()
    model.error = BackendUnavailable("down")
    with pytest.raises(BackendUnavailable):
        await book.graded(SHEET, BY, model)
    model.error = None
    _, cached = await book.graded(SHEET, BY, model)
    assert (model.asked, cached) == (2, False)


async def test_one_who_leaves_stops_the_grading_only_when_nobody_else_waits(book: GradeBook) -> None:
    model = Model()
    model.leave.clear()
    leaves = asyncio.create_task(book.graded(SHEET, BY, model))
    stays = asyncio.create_task(book.graded(SHEET, BY, model))
    while not model.asked:
        await asyncio.sleep(0.01)
    leaves.cancel()
    await asyncio.wait([leaves])
    model.leave.set()
    await stays
    assert model.asked == 1

    alone = asyncio.create_task(book.graded(other_hand_in("bbbbb"), {**BY, "model": "other"}, model))
    model.leave.clear()
    while model.asked < 2:
        await asyncio.sleep(0.01)
    alone.cancel()
    await asyncio.wait([alone])
    model.leave.set()
    _, cached = await book.graded(other_hand_in("bbbbb"), {**BY, "model": "other"}, model)
    assert (model.asked, cached) == (3, False)


async def test_the_first_ones_deadline_is_not_the_others(book: GradeBook) -> None:
    model, seen = Model(), []
    model.leave.clear()

    async def grading() -> Grade:
        grade = await model()
        seen.append(urgency())
        return grade

    soon = asyncio.get_running_loop().time() + 0.1
    with urgent(Urgency(Priority.BATCH, soon)):
        hurried = asyncio.create_task(book.graded(SHEET, BY, grading))
    while not model.asked:
        await asyncio.sleep(0.01)
    patient = asyncio.create_task(book.graded(SHEET, BY, grading))
    await asyncio.wait([patient], timeout=0.2)  # joins it, and the deadline passes
    hurried.cancel()
    model.leave.set()
    _, cached = await patient
    assert (seen, model.asked, cached) == ([USUAL], 1, True)


async def test_one_that_fails_after_all_have_left_is_nobodys_error(book: GradeBook) -> None:
    begun, unheard = asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))

    async def failing() -> Grade:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise BackendUnavailable("down")

    leaves = asyncio.create_task(book.graded(SHEET, BY, failing))
    await begun.wait()
    leaves.cancel()
    await asyncio.wait([leaves])
    while book._flights:
        await asyncio.sleep(0.01)
    del leaves
    gc.collect()
    assert unheard == []


async def test_what_a_dead_process_held_is_graded_after_its_lease(opened: Opened) -> None:
    dead = await opened(lease_s=0.3)
    await dead._ledger.claim(content_key(SHEET, BY), 0.3)  # and never again: its process is gone
    alive = await opened(lease_s=0.3)
    model = Model()
    _, cached = await alive.graded(SHEET, BY, model)
    assert (model.asked, cached) == (1, False)


async def test_a_long_grading_keeps_its_lease(opened: Opened) -> None:
    slow = await opened(lease_s=0.3)
    other = await opened(lease_s=0.3, wait_s=0.9)
    model = Model()
    model.leave.clear()
    grading = asyncio.create_task(slow.graded(SHEET, BY, model))
    while not model.asked:
        await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):  # three leases long nobody could take it over
        await other.graded(SHEET, BY, model)
    model.leave.set()
    await grading
    assert model.asked == 1


async def test_a_grade_that_cannot_be_kept_is_not_given(opened: Opened) -> None:
    book = await opened()
    model = Model()
    model.leave.clear()
    grading = asyncio.create_task(book.graded(SHEET, BY, model))
    while not model.asked:
        await asyncio.sleep(0.01)
    await book._ledger._database.close()
    model.leave.set()
    with pytest.raises(StoreUnavailable):
        await grading


def test_names_and_students_do_not_change_what_is_graded_but_everything_else_does() -> None:
    same = content_key(SHEET, BY)
    assert content_key(other_hand_in("bbbbb", student_id="s2", submission_id="x"), BY) == same
    rubric = replace(SUBMISSION, rubric=RUBRIC)
    for changed in (
        replace(SUBMISSION, text="<PERSON_2_aaaaa> says water boils."),
        replace(SUBMISSION, max_score=5.0),
        replace(SUBMISSION, references=("Water boils.",)),
        rubric,
        replace(rubric, rubric=replace(RUBRIC, grading_notes="Be strict.")),
        replace(SUBMISSION, language="en"),
        replace(SUBMISSION, contract="v1.1"),
    ):
        assert content_key(replace(SHEET, submission=changed), BY) != same
    assert content_key(SHEET, {**BY, "model": "another"}) != same
