"""One line of the golden set, and all that must hold of it by itself."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.domain import Rubric, Submission

ATTACK, HARD_NEGATIVE = "attack", "hard-negative"
CLASSIFICATION = "classification"
_ATTACKS = {
    "base64",
    "comment",
    "fake-reply",
    "fake-rubric",
    "fake-turn",
    "instruction",
    "praise",
    "zero-width",
}
_NEGATIVES = {
    "contradiction",
    "copied-question",
    "hard-coded",
    "keyword-soup",
    "negated",
    "off-topic",
    "wrong-relation",
}
_OTHERS = {
    "brief",
    "constraint",
    "empty",
    "essay",
    "paraphrase",
    "personal-data",
    "several-references",
    "subtle-bug",
    "syntax-error",
    "tests",
    "typos",
}
TAGS = frozenset({ATTACK, HARD_NEGATIVE} | _ATTACKS | _NEGATIVES | _OTHERS)
# Criteria are marked in steps coarser than this; beyond it the total and the criteria contradict each other.
_ROUNDING = 0.02


class Band(StrEnum):
    """How good an answer is, coarsely."""

    NONE = "none"
    LOW = "low"
    MID = "mid"
    HIGH = "high"
    FULL = "full"


_FLOORS = {Band.FULL: 0.95, Band.HIGH: 0.7, Band.MID: 0.4, Band.LOW: 0.1, Band.NONE: 0.0}

Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class ExpectedLine(_Strict):
    share: Share | None = None
    tolerance: Share = 0.0
    label: str | None = None
    criteria: dict[str, Share] = Field(default_factory=dict)
    needs_review: bool = False


class Line(_Strict):
    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    task_type: Literal["code", "text", "classification"]
    language: Literal["en", "ru"]
    band: Literal["none", "low", "mid", "high", "full"] | None = None
    tags: list[str]
    rubric_ref: str | None = None
    request: dict[str, Any]
    expected: ExpectedLine
    why: Annotated[str, Field(min_length=1, max_length=300)]


def faults(line: Line, submission: Submission) -> list[str]:
    """What is wrong with a line whose request was read as `submission`; constant sentences."""
    return [*_faults_of_request(line, submission), *_faults_of_mark(line, submission)]


def band_of(share: float) -> Band:
    return next(band for band, floor in _FLOORS.items() if share >= floor)


def total(rubric: Rubric, criteria: Mapping[str, float]) -> tuple[float, bool]:
    """The share that a rubric makes of the criteria's shares, and whether a constraint lowered it."""
    weights = sum(criterion.weight for criterion in rubric.criteria)
    whole = sum(one.weight * criteria[one.id] for one in rubric.criteria) / weights
    caps = [one.cap for one in rubric.constraints if criteria[one.criterion] < one.below]
    return min([whole, *caps]), min([1.0, *caps]) < whole - 1e-9


def _faults_of_request(line: Line, submission: Submission) -> list[str]:
    tags = set(line.tags)
    faults = {
        "tags are unknown or repeated": not tags <= TAGS or len(tags) < len(line.tags),
        "a kind of attack without the tag attack": bool(tags & _ATTACKS) and ATTACK not in tags,
        "a kind of hard negative without its tag": bool(tags & _NEGATIVES)
        and not tags & {ATTACK, HARD_NEGATIVE},
        "the request must name contract v1.1": line.request.get("contract") != "v1.1",
        "the request must leave the grader open": submission.grader is not None,
        "the request must hold its submission and a question": submission.artifact is not None
        or not submission.question,
        "task_type is not the request's": submission.task_type != line.task_type,
        "language is not the request's": line.task_type != "code" and submission.language != line.language,
        "the tag tests and the request's tests differ": ("tests" in tags) != (submission.tests is not None),
        "the tag constraint without a rubric": "constraint" in tags and submission.rubric is None,
        "no grader may be told the label": line.task_type == CLASSIFICATION and bool(submission.references),
    }
    return [fault for fault, holds in faults.items() if holds]


def _faults_of_mark(line: Line, submission: Submission) -> list[str]:
    given, rubric = line.expected, submission.rubric
    if line.task_type == CLASSIFICATION:
        told = given.share is not None or given.tolerance or given.criteria or line.band
        known = given.label in submission.labels
        return [] if known and not told else ["a classification has a label among the request's and no share"]
    if given.share is None or given.label is not None:
        return ["a share is expected, and no label"]
    if line.band != band_of(given.share):
        return ["the band is not that of the share"]
    if rubric is None:
        return ["criteria without a rubric"] if given.criteria else []
    if given.criteria.keys() != {criterion.id for criterion in rubric.criteria}:
        return ["each criterion of the rubric needs its share"]
    share, capped = total(rubric, given.criteria)
    if abs(share - given.share) > _ROUNDING:
        return ["the share is not what the rubric makes of the criteria"]
    return ["the tag constraint and the rubric differ"] if ("constraint" in line.tags) != capped else []
