"""What the embeddings service tells of its models and what its heads answer, checked.

An answer that is not what the protocol says is a BackendError: a label or a number is never guessed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from gateway.domain import Classification, Estimate, Output, ServedModel
from gateway.errors import BackendError

T = TypeVar("T")


def read_models(content: bytes) -> list[ServedModel]:
    """The models of a list. What cannot be read, or answers with something unheard of, is left out: a newer
    service may serve more than this gateway knows."""
    try:
        listed = list(orjson.loads(content)["data"])
    except (KeyError, TypeError, ValueError):
        return []
    return [model for one in listed if (model := _model(one)) is not None]


def read_classifications(content: bytes, labels: Sequence[str], count: int) -> tuple[Classification, ...]:
    """`count` classifications by these labels. Raises BackendError."""
    return _predictions(content, count, lambda one: Classification(**_classification(one, labels)))


def read_estimates(content: bytes, labels: Sequence[str], count: int) -> tuple[Estimate, ...]:
    """`count` estimates by these labels. Raises BackendError."""
    return _predictions(
        content, count, lambda one: Estimate(**_classification(one, labels), score=_share(one["score"]))
    )


def _model(one: Any) -> ServedModel | None:
    try:
        output = Output(one["output"])
        labels = () if output is Output.EMBEDDING else tuple(str(label) for label in one["labels"])
        if output is Output.TEXT or (output is not Output.EMBEDDING and not labels):
            return None
        return ServedModel(
            str(one["id"]), int(one["max_model_len"]), output, str(one.get("version", "")), labels
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _predictions(content: bytes, count: int, read: Callable[[Any], T]) -> tuple[T, ...]:
    try:
        read_all = tuple(read(one) for one in orjson.loads(content)["predictions"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BackendError("The embeddings service's answer is not what its protocol says.") from None
    if len(read_all) != count:
        raise BackendError("The embeddings service answered another number of instances.")
    return read_all


def _classification(one: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """The fields of a Classification. Raises KeyError, TypeError, ValueError."""
    probabilities = {label: _share(one["probabilities"][label]) for label in labels}
    if one["label"] not in probabilities or len(one["probabilities"]) != len(labels):
        raise ValueError
    return {
        "label": one["label"],
        "confidence": _share(one["confidence"]),
        "probabilities": probabilities,
        "needs_review": _flag(one["needs_review"]),
        "cut": _flag(one.get("cut", False)),
    }


def _share(value: Any) -> float:
    """A finite number within 0..1. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise ValueError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value
