"""What the line tells of its answers, made of the facts that it has at hand."""

from collections.abc import Mapping
from typing import Any

from gateway.domain import Classification, Estimate, Grade, ServedModel, Submission
from gateway.drift.facts import Sighting


def of_chat(model: ServedModel, fields: Mapping[str, Any]) -> Sighting:
    """Of a checked request as it leaves. Its text is the last message of the user: the rest of a conversation
    was its last message before, and a system prompt is the same every time, so all passages joined would
    measure how long people talk and hardly what they say."""
    spoken = (one.get("content") for one in reversed(fields["messages"]) if one["role"] == "user")
    said = next(spoken, None)
    if isinstance(said, list):
        said = "".join(part["text"] for part in said)
    return Sighting(model.name, model.version, said)


def of_grade(submission: Submission, grade: Grade) -> Sighting:
    """Of a masked submission. The grader's name is the model's; what stands behind it is the version."""
    return Sighting(
        model=grade.grader,
        version=grade.versions.get("model", ""),
        text=submission.text,
        language=submission.language,
        label=grade.label,
        score=grade.score / grade.max_score,
        confidence=grade.confidence,
    )


def of_classification(model: ServedModel, text: str, found: Classification) -> Sighting:
    """Of a masked text."""
    return Sighting(model.name, model.version, text, label=found.label, confidence=found.confidence)


def of_estimate(model: ServedModel, text: str, found: Estimate) -> Sighting:
    """Of a masked submission. Its label is how it compares, not what it is."""
    return Sighting(model.name, model.version, text, score=found.score, confidence=found.confidence)
