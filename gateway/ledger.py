"""Each submission is graded once: what the same grader has graded before is given again, what is being graded
now is waited for, and every grade is kept with its audit before anybody sees it."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.domain import Caller, Grade, Rubric, Submission
from gateway.errors import GatewayError, NotFound, Overloaded
from gateway.grading.rubric import with_tests, without_tests
from gateway.ports import Grades, Ledger
from gateway.records import GradeRecord
from gateway.urgency import USUAL, urgent

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Sheet:
    """A masked submission on its way to a grader, and whose it is."""

    caller: Caller
    submission: Submission
    nonce: str  # ends every placeholder in the submission and stands nowhere else in it
    stored_rubric: Rubric | None = None  # as the store has it: in the submission its texts are masked


class GradeBook:
    def __init__(self, ledger: Ledger, grades: Grades, *, lease_s: float, wait_s: float) -> None:
        """A process that dies leaves its submissions to others after `lease_s`; nobody waits longer than
        `wait_s` for somebody else's grade."""
        self._ledger = ledger
        self._grades = grades
        self._lease_s = lease_s
        self._wait_s = wait_s
        self._flights: dict[str, _Flight] = {}

    async def graded(
        self,
        sheet: Sheet,
        identity: Mapping[str, str],
        grading: Callable[[], Awaitable[Grade]],
        *,
        fresh: bool = False,
    ) -> tuple[GradeRecord, bool]:
        """The grade of this submission by the grader that `identity` describes, and whether it was there
        already; `grading` is awaited only when it was not, or with `fresh`. Raises what `grading` raises,
        StoreUnavailable, and Overloaded when somebody else takes too long over the same submission."""
        key = content_key(sheet, identity)
        if fresh:
            return await self._made(key, f"grade_{uuid.uuid4().hex}", sheet, grading), False
        record, cached = await self._joined(key, lambda: self._once(key, sheet, grading))
        return await self._for_this_hand_in(record, sheet), cached

    async def _joined(
        self, key: str, work: Callable[[], Coroutine[Any, Any, tuple[GradeRecord, bool]]]
    ) -> tuple[GradeRecord, bool]:
        """One task for all who ask for the same at once; it ends early only when all of them have left."""
        flight = self._flights.get(key)
        while flight is not None and not flight.waiting:
            # Everybody has left it and it is ending: only then is the key free.
            await asyncio.wait({flight.task})
            flight = self._flights.get(key)
        if flight is None:
            # It goes on for whoever waits longest: the first one's deadline is not the others'.
            with urgent(USUAL):
                flight = self._flights[key] = _Flight(asyncio.create_task(work(), name="grade"))
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiting += 1
        first = flight.waiting == 1
        try:
            record, cached = await asyncio.shield(flight.task)
            return record, cached or not first
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()

    def _landed(self, key: str, task: asyncio.Task[tuple[GradeRecord, bool]]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled():
            task.exception()  # when all have left nobody else asks for it, and asyncio would complain

    async def _once(
        self, key: str, sheet: Sheet, grading: Callable[[], Awaitable[Grade]]
    ) -> tuple[GradeRecord, bool]:
        known = await self._claimed(key)
        if known is not None:
            return known, True
        renewal = asyncio.create_task(self._renewed(key), name="lease")
        try:
            record = await self._made(key, _grade_id(key, sheet), sheet, grading)
            if record.key != key:
                await self._ledger.give_back(key)
            return record, False
        except BaseException:
            renewal.cancel()
            with suppress(GatewayError):
                await self._ledger.give_back(key)
            raise
        finally:
            renewal.cancel()

    async def _made(
        self, key: str, grade_id: str, sheet: Sheet, grading: Callable[[], Awaitable[Grade]]
    ) -> GradeRecord:
        began = time.perf_counter()
        grade = await grading()
        if grade.makeshift:
            # Kept, and not given again: whoever asks when all can be asked gets a better one.
            grade_id = f"grade_{uuid.uuid4().hex}"
            key = hashlib.sha256(f"{key} {grade_id}".encode()).hexdigest()
        record = GradeRecord(
            id=grade_id,
            key=key,
            created_at=datetime.now(UTC),
            key_id=sheet.caller.key_id,
            submission=sheet.submission,
            rubric=_as_stored(grade.rubric, sheet),
            grade=grade,
            nonce=sheet.nonce,
            ms=round((time.perf_counter() - began) * 1000, 3),
        )
        return await self._ledger.keep(record)

    async def _claimed(self, key: str) -> GradeRecord | None:
        """The grade that is there, or None: it is ours to make."""
        give_up = time.monotonic() + self._wait_s
        while True:
            held = await self._ledger.claim(key, self._lease_s)
            if held is True:
                return None
            if held is not False:
                return held
            if time.monotonic() > give_up:
                raise Overloaded("The same submission is still being graded.", retry_after=1.0)
            await asyncio.sleep(_POLL_S)

    async def _renewed(self, key: str) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            with suppress(GatewayError):
                await self._ledger.claim(key, self._lease_s)

    async def _for_this_hand_in(self, known: GradeRecord, sheet: Sheet) -> GradeRecord:
        """The known record, or a copy of it when another student, submission or key is behind it: a person's
        correction is of one submission, and an audit must find each."""
        ours = _hand_in(sheet.caller.key_id, sheet.submission)
        if _hand_in(known.key_id, known.submission) == ours:
            return known
        root = await self._grades.get(known.based_on) if known.based_on else known
        if _hand_in(root.key_id, root.submission) == ours:
            return root
        own = _grade_id(root.id, sheet)
        with suppress(NotFound):
            return await self._grades.get(own)
        again = replace(
            root,
            id=own,
            created_at=datetime.now(UTC),
            key_id=sheet.caller.key_id,
            submission=replace(
                root.submission,
                student_id=sheet.submission.student_id,
                submission_id=sheet.submission.submission_id,
            ),
            ms=0.0,
            based_on=root.id,
        )
        return await self._ledger.keep(again)


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[tuple[GradeRecord, bool]]
    waiting: int = 0


def content_key(sheet: Sheet, identity: Mapping[str, str]) -> str:
    """Equal for equal submissions under equal rubrics by equal graders: sha256 (hex) over everything that
    decides a grade. Who handed in does not, nor do the names behind placeholders."""
    decides = replace(sheet.submission, student_id=None, submission_id=None, grader=None, artifact=None)
    text = orjson.dumps([asdict(decides), dict(identity)], option=orjson.OPT_SORT_KEYS)
    # The nonce is another one at every request.
    return hashlib.sha256(text.replace(f"_{sheet.nonce}>".encode(), b"_>")).hexdigest()


def _as_stored(used: Rubric, sheet: Sheet) -> Rubric:
    """The rubric of a grade with the store's own words, so that the store knows it again."""
    stored = sheet.stored_rubric
    if stored is None or stored.id != without_tests(used).id:
        return used
    return with_tests(stored, sheet.submission)


def _hand_in(key_id: str, submission: Submission) -> tuple[str, str | None, str | None]:
    return key_id, submission.student_id, submission.submission_id


def _grade_id(what: str, sheet: Sheet) -> str:
    """Of this content, or this grade of it, handed in by this student: asking again finds it."""
    who = orjson.dumps([what, *_hand_in(sheet.caller.key_id, sheet.submission)])
    return f"grade_{hashlib.sha256(who).hexdigest()[:32]}"
