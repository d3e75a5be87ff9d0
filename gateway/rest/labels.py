"""A classifier's instance and answer on the wire."""

from typing import Any

from gateway.domain import Classification
from gateway.errors import InvalidRequest
from gateway.inference import checked_text


def read_text(instance: Any) -> str:
    """`"text"` or `{"text": "text"}`. Raises InvalidRequest."""
    if isinstance(instance, dict):
        if instance.keys() != {"text"}:
            raise InvalidRequest("An instance must be a text or an object with 'text' alone.", param="text")
        instance = instance["text"]
    return checked_text(instance, "text")


def classification_answer(classification: Classification) -> dict[str, Any]:
    """The classification as JSON."""
    return {
        "label": classification.label,
        "confidence": classification.confidence,
        "probabilities": dict(classification.probabilities),
        "needs_review": classification.needs_review,
        "cut": classification.cut,
    }
