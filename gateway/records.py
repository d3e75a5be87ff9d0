"""What is kept of grades: enough to show later how each came about. Every text in it is masked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain import Grade, Rubric, Submission


@dataclass(frozen=True, slots=True)
class GradeRecord:
    """A grade with its audit: what was asked, by whom, and every exchange with a model (`grade.calls`)."""

    id: str  # grade_ and 32 hex digits
    key: str  # of what was graded by what: equal keys, equal grades (64 hex digits)
    created_at: datetime  # UTC
    key_id: str  # the API key's public name
    submission: Submission = field(repr=False)  # masked
    rubric: Rubric  # the one that the points were added up by
    grade: Grade  # its texts hold placeholders
    nonce: str  # that ends each of its placeholders
    ms: float  # from the masked submission to the grade
    rescored_from: str | None = None  # the grade whose criterion shares these are


@dataclass(frozen=True, slots=True)
class GradeQuery:
    """Which grades: every field that is set must hold. Newest first."""

    key_id: str | None = None
    rubric: str | None = None  # name@version, or name for all its versions
    grader: str | None = None
    model: str | None = None
    submission_id: str | None = None
    waiting: bool | None = None  # True: needs review and nobody has corrected or confirmed it yet
    since: datetime | None = None
    after: str | None = None  # the last id of the page before
    limit: int = 50


@dataclass(frozen=True, slots=True)
class RubricRecord:
    rubric: Rubric
    created_at: datetime
    key_id: str
    used: bool  # some grade was added up by it: it can no longer change


@dataclass(frozen=True, slots=True)
class Correction:
    """A person's word on a grade. The last one counts; none is ever changed."""

    grade_id: str
    created_at: datetime
    key_id: str
    score: float
    max_score: float
    points: Mapping[str, float]  # by criterion; empty: only the total was judged
    comment: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Judged:
    """A grade that a person has looked at."""

    record: GradeRecord
    correction: Correction
