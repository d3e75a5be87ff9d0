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
    based_on: str | None = None  # the grade that this one gives again, or re-scores from its criterion shares
    rescored: bool = False


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade on its way to whoever asked."""

    id: str  # of its record
    grade: Grade
    cached: bool  # True: it was there already, no model was asked
    masked: Mapping[str, int] = field(default_factory=dict)  # distinct values that were replaced, by kind


@dataclass(frozen=True, slots=True)
class Once:
    """A caller's wish that a request be answered once, however often it is sent."""

    key: str  # sha256 (hex) of the caller's own
    body_hash: str  # sha256 (hex) of the body: the same key with another body is a mistake


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
class Judgement:
    """What a person says of a grade: points by criterion, or a total, or neither: it stands as it is."""

    score: float | None
    points: Mapping[str, float]  # by criterion
    comment: str = field(repr=False, default="")


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


@dataclass(frozen=True, slots=True)
class Marks:
    """Of a grade that a person has looked at, the two marks alone."""

    rubric: str  # name@version
    grader: str
    model: str
    machine: float  # shares of the maximum, 0..1
    human: float
