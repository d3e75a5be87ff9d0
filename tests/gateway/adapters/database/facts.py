"""Facts to keep."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain import Criterion, CriterionGrade, Grade, ModelCall, Rubric, Submission, Usage
from gateway.records import Correction, GradeRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rubric(version: str = "1.0.0", name: str = "essay", weight: float = 1.0) -> Rubric:
    return Rubric(name, version, (Criterion("CR1", "The answer names the cause.", weight),))


def record(
    number: int = 1,
    *,
    key: str = "",
    minutes: float | None = None,
    by: Rubric | None = None,
    text: str = "Because of <PERSON_1_x>.",
    submission_id: str | None = None,
    key_id: str = "bot",
    grader: str = "grader-llm",
    model: str = "tiny",
    doubts: tuple[str, ...] = (),
    calls: int = 2,
) -> GradeRecord:
    """The grade of that number, made that many minutes after noon."""
    used = by or rubric()
    usage = Usage(70, 30)
    return GradeRecord(
        id=f"grade_{number:032x}",
        key=key or f"{number:064x}",
        created_at=NOON + timedelta(minutes=number if minutes is None else minutes),
        key_id=key_id,
        submission=Submission(text, "text", "en", 10.0, rubric=used, submission_id=submission_id),
        rubric=used,
        grade=Grade(
            score=7.5,
            max_score=10.0,
            comments="Names no date.",
            criteria=(CriterionGrade("CR1", 7.5, 10.0, "Because", "Names no date.", 0.75),),
            grader=grader,
            versions={"model": model, "rubric": used.id},
            confidence=0.8,
            review_reasons=doubts,
            partial=False,
            usage=usage,
            rubric=used,
            calls=tuple(
                ModelCall(f"CR{n}", f'{{"prompt": "{text}"}}', '{"level": 3}', usage, 12.5)
                for n in range(calls)
            ),
        ),
        nonce="x",
        ms=31.25,
    )


def correction(of: GradeRecord, score: float = 5.0, **fields: Any) -> Correction:
    values = {
        "created_at": NOON,
        "key_id": "teacher",
        "max_score": 10.0,
        "points": {"CR1": score},
        "comment": "The date is missing.",
    }
    return Correction(grade_id=of.id, score=score, **{**values, **fields})
