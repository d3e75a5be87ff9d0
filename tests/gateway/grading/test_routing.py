"""Which grader grades."""

import pytest

from gateway.domain import Submission
from gateway.errors import InvalidRequest
from gateway.grading.routing import (
    DEFAULT_CHOICES,
    GRADER_AUTO,
    GRADER_EMBEDDING,
    GRADER_LLM,
    Choice,
    Route,
    route,
)


def of(task_type: str = "text", grader: str | None = None) -> Submission:
    return Submission("Water boils.", task_type, None, 10.0, grader=grader)


@pytest.mark.parametrize(
    ("path", "wish", "expected"),
    [
        (GRADER_LLM, None, Route(GRADER_LLM, GRADER_EMBEDDING)),
        (GRADER_LLM, "auto", Route(GRADER_LLM, GRADER_EMBEDDING)),
        (GRADER_LLM, "llm", Route(GRADER_LLM)),
        (GRADER_EMBEDDING, "auto", Route(GRADER_EMBEDDING, GRADER_LLM)),
        (GRADER_EMBEDDING, "embedding", Route(GRADER_EMBEDDING)),
        (GRADER_AUTO, "embedding", Route(GRADER_EMBEDDING)),
        (GRADER_AUTO, None, Route(GRADER_LLM, GRADER_EMBEDDING, picked=True)),
    ],
)
def test_the_path_decides_first_and_who_names_a_grader_gets_no_other(
    path: str, wish: str | None, expected: Route
) -> None:
    assert route(path, of(grader=wish), DEFAULT_CHOICES, fall_back=True) == expected


def test_without_fallback_only_a_request_that_says_auto_may_be_graded_by_the_other() -> None:
    assert route(GRADER_LLM, of(), DEFAULT_CHOICES, fall_back=False).other is None
    assert route(GRADER_LLM, of(grader="auto"), DEFAULT_CHOICES, fall_back=False).other == GRADER_EMBEDDING


@pytest.mark.parametrize(("path", "wish"), [(GRADER_LLM, "embedding"), (GRADER_EMBEDDING, "llm")])
def test_path_and_wish_that_contradict_each_other_are_refused(path: str, wish: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        route(path, of(grader=wish), DEFAULT_CHOICES, fall_back=True)
    assert refused.value.param == "grader"


def test_the_policy_picks_by_task_type_and_a_cascade_asks_the_dear_grader_last() -> None:
    choices = {**DEFAULT_CHOICES, "text": Choice.CASCADE}
    assert route(GRADER_AUTO, of("text"), choices, fall_back=True) == Route(
        GRADER_EMBEDDING, GRADER_LLM, when_unsure=GRADER_LLM, picked=True
    )
    assert route(GRADER_AUTO, of("code"), choices, fall_back=True).first == GRADER_LLM
    assert route(GRADER_AUTO, of("classification"), choices, fall_back=True).first == GRADER_EMBEDDING
