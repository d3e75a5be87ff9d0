"""A classifier's instance and answer on the wire."""

from typing import Any

from gateway.domain import Classification
from gateway.errors import InvalidRequest

_MAX_CHARS = 200_000


def read_text(instance: Any) -> str:
    """`"text"` or `{"text": "text"}`. Raises InvalidRequest."""
    if isinstance(instance, dict):
        if instance.keys() != {"text"}:
            raise InvalidRequest("An instance must be a text or an object with 'text' alone.", param="text")
        instance = instance["text"]
    return checked_text(instance, "text")


def checked_text(text: Any, name: str) -> str:
    """The text when it is one, says something and is not too long. Raises InvalidRequest naming `name`."""
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_CHARS:
        raise InvalidRequest(
            f"'{name}' must be a text of 1 to {_MAX_CHARS} characters, not blank.", param=name
        )
    return text


def classification_answer(classification: Classification) -> dict[str, Any]:
    """The classification as JSON."""
    return {
        "label": classification.label,
        "confidence": classification.confidence,
        "probabilities": dict(classification.probabilities),
        "needs_review": classification.needs_review,
        "cut": classification.cut,
    }
