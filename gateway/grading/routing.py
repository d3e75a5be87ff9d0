"""Which grader grades, and which one when the first cannot answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.domain import Grade, Submission
from gateway.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    InvalidRequest,
    ModelNotFound,
    UnusableAnswer,
)

GRADER_LLM = "grader-llm"
GRADER_EMBEDDING = "grader-embedding"
GRADER_AUTO = "grader-auto"  # no grader of its own: the policy of the submission's task type picks one
GRADERS = (GRADER_LLM, GRADER_EMBEDDING, GRADER_AUTO)

# After these another grader may help: the first one is down, slow, broken or answers nonsense. Any other
# error is about the request itself.
OUTAGES = (BackendUnavailable, BackendTimeout, BackendError, UnusableAnswer)
# Of a grader that the policy has picked also these: it is not fit for such a submission.
UNFIT = (InvalidRequest, ModelNotFound)

_NAMED: Mapping[str, str] = {"llm": GRADER_LLM, "embedding": GRADER_EMBEDDING}
_OTHER: Mapping[str, str] = {GRADER_LLM: GRADER_EMBEDDING, GRADER_EMBEDDING: GRADER_LLM}


class Choice(StrEnum):
    """What `grader-auto` does with a task type."""

    LLM = "llm"
    EMBEDDING = "embedding"
    CASCADE = "cascade"  # the cheap grader, and the dear one for what the cheap one is unsure of


Choices = Mapping[str, Choice]  # by task type
DEFAULT_CHOICES: Choices = {
    "text": Choice.LLM,
    "code": Choice.LLM,
    "classification": Choice.EMBEDDING,  # its classifiers were measured; a language model's labels were not
}


def read_choices(text: str) -> Choices:
    """`text=cascade,code=llm`: what is not said stays as by default. Raises ValueError."""
    choices = dict(DEFAULT_CHOICES)
    for one in filter(None, (part.strip() for part in text.split(","))):
        task_type, _, choice = one.partition("=")
        if task_type not in choices or choice not in list(Choice):
            raise ValueError(
                "must be TASK=CHOICE by commas: text, code or classification = llm, embedding or cascade"
            )
        choices[task_type] = Choice(choice)
    return choices


@dataclass(frozen=True, slots=True)
class Route:
    first: str
    other: str | None = None  # None: an outage of the first is told to the caller
    when_unsure: str | None = None  # grades again what the first was unsure of
    picked: bool = False  # the policy's choice, not the caller's


def route(path: str, submission: Submission, choices: Choices, *, fall_back: bool) -> Route:
    """The path's grader first. The other one stands in when the request says `auto`, or says nothing and the
    gateway is set to `fall_back`; who names a grader gets that one or an error. Raises InvalidRequest when
    path and wish contradict each other."""
    wish = _NAMED.get(submission.grader or "")
    if wish is not None:
        if path not in (wish, GRADER_AUTO):
            raise InvalidRequest("'grader' and the path name different graders.", param="grader")
        return Route(wish)
    if path == GRADER_AUTO:
        return _picked(submission, choices)
    if submission.grader is None and not fall_back:
        return Route(path)
    return Route(path, _OTHER.get(path))


def _picked(submission: Submission, choices: Choices) -> Route:
    choice = choices[submission.task_type]
    if choice is Choice.LLM:
        return Route(GRADER_LLM, GRADER_EMBEDDING, picked=True)
    unsure = GRADER_LLM if choice is Choice.CASCADE else None
    return Route(GRADER_EMBEDDING, GRADER_LLM, unsure, picked=True)


def is_unsure(grade: Grade) -> bool:
    """Whether a dearer grader is worth its price."""
    return bool(
        {"low_confidence", "code_not_understood", "criterion_as_reference"} & set(grade.review_reasons)
    )


def as_fallback(grade: Grade) -> Grade:
    """The grade, saying that another grader than the one asked for gave it."""
    return replace(grade, review_reasons=(*grade.review_reasons, "fallback"))
