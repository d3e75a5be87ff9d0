"""A grade as it is answered, by the contract that it was asked for by."""

from typing import Any

from gateway.contracts.files import V1
from gateway.contracts.migration import answer_to_v1
from gateway.records import Graded


def grade_answer(graded: Graded) -> dict[str, Any]:
    """The grade as JSON."""
    grade = graded.grade
    answer = {
        "id": graded.id,
        "score": grade.score,
        "max_score": grade.max_score,
        "comments": grade.comments,
        "details": {
            "criteria": [
                {
                    "id": criterion.id,
                    "points": criterion.points,
                    "max_points": criterion.max_points,
                    "evidence": criterion.evidence,
                    "comment": criterion.comment,
                }
                for criterion in grade.criteria
            ]
        },
        "grader": grade.grader,
        "version": grade.versions["model"],
        "versions": dict(grade.versions),
        "confidence": grade.confidence,
        "needs_review": bool(grade.review_reasons),
        "review_reasons": list(grade.review_reasons),
        "partial": grade.partial,
        "label": grade.label,
        "usage": {
            "prompt_tokens": grade.usage.prompt_tokens,
            "completion_tokens": grade.usage.completion_tokens,
        },
        "cached": graded.cached,
    }
    return answer_to_v1(answer) if grade.versions["contract"] == V1 else answer
