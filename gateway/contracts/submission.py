"""A grading request on the wire -> Submission: contract inferred, validated, migrated, converted."""

from collections.abc import Mapping
from typing import Any

from gateway.contracts.files import (
    CLASSIFICATION,
    CODE,
    REQUEST,
    TASK_TYPES,
    TEXT,
    V1,
    V1_1,
    VERSIONS,
    name_of,
)
from gateway.contracts.migration import request_to_v1_1, task_type_of_v1
from gateway.contracts.rubric import needs_tests, rubric_of
from gateway.contracts.validation import check, fields, invalid
from gateway.domain import Artifact, Rubric, Submission, TestResults

_NATURAL_LANGUAGES = frozenset({"en", "ru", "de", "english", "russian", "text", "plain", "markdown"})
_MAX_SCORE = 10.0


def read_submission(payload: Any) -> Submission:
    """A checked payload, parsed by orjson, as the domain knows it. Raises InvalidRequest naming the field,
    or `request` for what is in no field of ours; never a value."""
    if not isinstance(payload, dict):
        raise invalid([], "must be an object")
    contract = _contract(payload)
    task_type = _task_type(payload, contract)
    check(payload, name_of(contract, task_type, REQUEST))
    migrated = request_to_v1_1(payload) if contract == V1 else payload
    return _submission(migrated, contract, task_type)


def _contract(payload: Mapping[str, Any]) -> str:
    """The contract that is named, or the oldest one that has the fields."""
    old = fields(name_of(V1, TEXT, REQUEST))
    named = payload.get("contract")
    if named is None:
        return V1 if payload.keys() <= old.keys() else V1_1
    if named not in VERSIONS:
        raise invalid(["contract"], f"must be one of {', '.join(VERSIONS)}")
    if named == V1:
        new = fields(name_of(V1_1, TEXT, REQUEST))
        for name in payload:
            if name in new and name not in old:
                raise invalid([name], "is a field of contract v1.1")
    return str(named)


def _task_type(payload: Mapping[str, Any], contract: str) -> str:
    """The task type that is named, or told by labels, or by the language."""
    if contract == V1:
        metadata = payload.get("metadata")
        told = task_type_of_v1(metadata) if isinstance(metadata, dict) else None
    else:
        told = payload.get("task_type")
        if told is None and payload.get("labels") is not None:
            told = CLASSIFICATION
    if told is None:
        language = payload.get("language")
        return CODE if isinstance(language, str) and _is_programming(language) else TEXT
    if told not in TASK_TYPES:
        raise invalid(["task_type"], f"must be one of {', '.join(TASK_TYPES)}")
    return str(told)


def _is_programming(language: str) -> bool:
    return language != "" and language.lower() not in _NATURAL_LANGUAGES


def _submission(request: Mapping[str, Any], contract: str, task_type: str) -> Submission:
    """Of a request of v1.1 that its schema has passed. `contract` is the one that it came by."""
    metadata = request.get("metadata") or {}
    tests = _tests(metadata.get("tests"))
    rubric = _rubric(request.get("rubric"), tests)
    labels = tuple(request.get("labels") or ())
    references = tuple(request.get("reference_answers") or ())
    if task_type == CLASSIFICATION and not set(references) <= set(labels):
        told_in = ["metadata", "expected_label"] if contract == V1 else ["reference_answers"]
        raise invalid(told_in, "must be among the labels")
    return Submission(
        text=request.get("submission") or "",
        task_type=task_type,
        language=request.get("language") or None,
        max_score=float(metadata.get("max_score", _MAX_SCORE)),
        question=request.get("question"),
        references=tuple(text for text in references if text.strip()),
        rubric=rubric,
        rubric_id=request.get("rubric_id"),
        labels=labels,
        tests=tests,
        artifact=_artifact(request.get("artifact")),
        contract=contract,
        grader=request.get("grader"),
        student_id=request.get("student_id"),
        submission_id=request.get("submission_id"),
    )


def _tests(given: Mapping[str, Any] | None) -> TestResults | None:
    if given is None:
        return None
    if given["passed"] > given["total"]:
        raise invalid(["metadata", "tests", "passed"], "is more than 'total'")
    return TestResults(int(given["passed"]), int(given["total"]))


def _rubric(given: Mapping[str, Any] | None, tests: TestResults | None) -> Rubric | None:
    if given is None:
        return None
    rubric = rubric_of(given, ["rubric"])
    if tests is None and needs_tests(rubric):
        raise invalid(["metadata", "tests"], "is required by the rubric")
    return rubric


def _artifact(given: Mapping[str, Any] | None) -> Artifact | None:
    if given is None:
        return None
    sha256 = given.get("sha256")
    return Artifact(given["url"], sha256.lower() if sha256 else None)
