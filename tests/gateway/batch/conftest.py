"""A real store, and a gateway's line that is told what to do."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.adapters.database.database import Database
from gateway.domain import Caller, Criterion, CriterionGrade, Grade, Priority, Role, Rubric, Submission, Usage
from gateway.ledger import Sheet
from gateway.records import Graded
from gateway.urgency import urgency

RUBRIC = Rubric("default-text", "1.0.0", (Criterion("CR1", "Right.", 1.0),))
GRADE = Grade(
    score=7.5,
    max_score=10.0,
    comments="Fine.",
    criteria=(CriterionGrade("CR1", 7.5, 10.0, "", "Fine.", 0.75),),
    grader="grader-llm",
    versions={"model": "tiny", "prompt": "p@1", "rubric": "r@1.0.0", "contract": "v1.1"},
    confidence=0.5,
    review_reasons=("low_confidence",),
    partial=False,
    usage=Usage(),
    rubric=RUBRIC,
)
ANN, BOB = Caller("ann", Role.GRADER, 60), Caller("bob", Role.GRADER, 60)
ADMIN = Caller("root", Role.ADMIN, 60)


class Line:
    """Masks the name Anna. A grade's comment is the masked submission; `open` lets grades happen."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.errors: dict[str, list[Exception]] = {}  # by submission: raised one by one
        self.masking: list[Exception] = []  # raised one by one
        self.seen: list[tuple[str, str, str]] = []  # key, text, grader
        self.priorities: set[Priority] = set()
        self.under_way = self.most = 0

    async def sheet(self, caller: Caller, submission: Submission) -> Sheet:
        if self.masking:
            raise self.masking.pop(0)
        masked = submission.text.replace("Anna", "<PERSON_1_abcde>")
        return Sheet(caller, replace(submission, text=masked), "abcde")

    async def grade_sheet(self, sheet: Sheet, grader: str) -> Graded:
        text = sheet.submission.text
        self.seen.append((sheet.caller.key_id, text, grader))
        self.priorities.add(urgency().priority)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.open.wait()
            await asyncio.sleep(0.005)
            if self.errors.get(text):
                raise self.errors[text].pop(0)
        finally:
            self.under_way -= 1
        return Graded("grade_1", replace(GRADE, comments=text), cached=False)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    await database.start()
    yield database
    await database.close()
