"""Grades as they are answered, by contract and task type."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.contracts.files import CLASSIFICATION, RESPONSE, TASK_TYPES, V1, V1_1, VERSIONS, name_of
from gateway.contracts.grade import grade_answer
from gateway.contracts.migration import answer_to_v1
from gateway.contracts.validation import check
from gateway.domain import Criterion, CriterionGrade, Grade, Rubric, Usage
from gateway.records import Graded

GRADE = Grade(
    score=7.5,
    max_score=10.0,
    comments="Mostly right.",
    criteria=(CriterionGrade("CR1", 7.5, 10.0, "print", "Mostly right.", 0.75),),
    grader="grader-llm",
    versions={"model": "tiny", "prompt": "grade-full-en@2", "rubric": "default-code@1.0.0", "contract": V1},
    confidence=None,
    review_reasons=("nothing_to_compare_with",),
    partial=True,
    usage=Usage(7, 3),
    rubric=Rubric("default-code", "1.0.0", (Criterion("CR1", "Correct.", 1.0),)),
)


def graded(contract: str, label: str | None) -> Graded:
    grade = replace(GRADE, versions={**GRADE.versions, "contract": contract}, label=label)
    return Graded(f"grade_{'0f' * 16}", grade, cached=True)


@pytest.mark.parametrize("contract", VERSIONS)
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_a_grade_answers_by_its_contract(contract: str, task_type: str) -> None:
    answer = grade_answer(graded(contract, "yes" if task_type == CLASSIFICATION else None))
    check(answer, name_of(contract, task_type, RESPONSE))


def test_v1_tells_what_it_always_told_and_v1_1_the_grades_id_too() -> None:
    told: dict[str, Any] = {
        "score": 7.5,
        "max_score": 10.0,
        "comments": "Mostly right.",
        "details": {
            "criteria": [
                {
                    "id": "CR1",
                    "points": 7.5,
                    "max_points": 10.0,
                    "evidence": "print",
                    "comment": "Mostly right.",
                }
            ]
        },
        "grader": "grader-llm",
        "version": "tiny",
        "versions": dict(GRADE.versions),
        "confidence": None,
        "needs_review": True,
        "review_reasons": ["nothing_to_compare_with"],
        "partial": True,
        "label": None,
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    assert grade_answer(graded(V1, None)) == told
    newer = grade_answer(graded(V1_1, None))
    assert (newer["id"], newer["cached"]) == (f"grade_{'0f' * 16}", True)
    assert answer_to_v1(newer) == told
