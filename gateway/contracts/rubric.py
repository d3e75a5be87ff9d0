"""Rubrics and their constraints, from JSON and back."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from math import fsum
from typing import Any

from gateway.contracts.files import RUBRIC, contracts
from gateway.contracts.validation import check, invalid
from gateway.domain import Constraint, Criterion, Rubric, Source

INLINE, FIRST_VERSION = "inline", "1.0.0"  # of a rubric that does not say
_TOLERANCE = 0.001  # of the weights' sum; thirds are written as 0.333
_EPSILON = 1e-9  # what floating point adds to the tolerance


def read_rubric(payload: Any) -> Rubric:
    """A checked rubric. Raises InvalidRequest naming the field, from the rubric's root."""
    check(payload, RUBRIC)
    return rubric_of(payload)


def rubric_of(payload: Mapping[str, Any], at: Sequence[str] = ()) -> Rubric:
    """The rubric of a payload that its schema has passed. `at` is where the rubric lies in the request.
    Raises InvalidRequest for what no schema can say."""
    criteria = _criteria(payload["criteria"], [*at, "criteria"])
    constraints = tuple(map(_constraint, payload.get("constraints", ())))
    known = {criterion.id for criterion in criteria}
    for index, constraint in enumerate(constraints):
        if constraint.criterion not in known:
            raise invalid([*at, "constraints", index], "the rubric has no such criterion")
    return Rubric(
        name=payload.get("name") or payload.get("id") or INLINE,
        version=payload.get("version", FIRST_VERSION),
        criteria=criteria,
        constraints=constraints,
        grading_notes=payload.get("grading_notes", ""),
    )


def rubric_answer(rubric: Rubric) -> dict[str, Any]:
    """The rubric as JSON that read_rubric() takes. Weights that sum to 1 are told as weights, others as
    points."""
    measure = "weight" if _sum_to_one([criterion.weight for criterion in rubric.criteria]) else "points"
    return {
        "name": rubric.name,
        "version": rubric.version,
        "criteria": [
            {
                "id": criterion.id,
                "description": criterion.description,
                measure: criterion.weight,
                "source": criterion.source.value,
            }
            for criterion in rubric.criteria
        ],
        "constraints": [constraint_text(constraint) for constraint in rubric.constraints],
        "aggregation": "weighted_sum",
        "grading_notes": rubric.grading_notes,
    }


def needs_tests(rubric: Rubric) -> bool:
    """Whether a criterion is graded by the platform's test results."""
    return any(criterion.source is Source.TESTS for criterion in rubric.criteria)


def read_constraint(text: str) -> Constraint:
    """`if CR2 < 0.5 then cap total at 0.6`. Raises InvalidRequest naming `constraints`."""
    if not _form().fullmatch(text):
        raise invalid(["constraints"], "must look like 'if CR2 < 0.5 then cap total at 0.6'")
    return _constraint(text)


def constraint_text(constraint: Constraint) -> str:
    """The constraint as read_constraint() takes it, in 6 decimals at most, as many as can be given."""
    below, cap = _decimal(constraint.below), _decimal(constraint.cap)
    return f"if {constraint.criterion} < {below} then cap total at {cap}"


def _criteria(given: Sequence[Mapping[str, Any]], at: Sequence[str]) -> tuple[Criterion, ...]:
    if len({one["id"] for one in given}) < len(given):
        raise invalid(at, "ids must be distinct")
    weights = [one["weight"] for one in given if "weight" in one]
    points = [one["points"] for one in given if "points" in one]
    measures = weights or points or [1 / len(given)] * len(given)
    if len(measures) < len(given) or (weights and points):
        raise invalid(at, "all need 'weight', all 'points', or none either")
    if weights and not _sum_to_one(weights):
        raise invalid(at, "weights must sum to 1")
    return tuple(
        Criterion(one["id"], one["description"], float(measure), Source(one.get("source", Source.MODEL)))
        for one, measure in zip(given, measures, strict=True)
    )


def _sum_to_one(weights: Sequence[float]) -> bool:
    return abs(fsum(weights) - 1) <= _TOLERANCE + _EPSILON


def _constraint(text: str) -> Constraint:
    match = _form().fullmatch(text)
    assert match is not None  # noqa: S101 - the schema's pattern has passed it
    return Constraint(match[1], float(match[2]), float(match[3]))


@cache
def _form() -> re.Pattern[str]:
    return re.compile(contracts()[RUBRIC].schema["$defs"]["constraint"]["pattern"])


def _decimal(share: float) -> str:
    return f"{share:.6f}".rstrip("0").rstrip(".")
