"""What a caller says of a training, read for both doors. Pure.

Whether it fits the data is the desk's to find out: here only the shape is checked.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import InvalidRequest
from gateway.training.facts import checked_name

MOST_FEATURES = 1000
_MOST_HYPERPARAMETERS = 100
_SHARES = (0.05, 0.5)
_MOST_SEED = 2**31 - 1  # NumPy's seeds are 32 bits, and a signed column keeps this many
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_FIELDS = frozenset(
    {
        "model",
        "model_class",
        "dataset",
        "target",
        "features",
        "hyperparameters",
        "test_share",
        "seed",
        "promote",
    }
)


@dataclass(frozen=True, slots=True)
class TrainingAsk:
    """What was said; None: nothing was. Made by read_training_ask alone, so that every part is in shape."""

    model: str | None = None
    model_class: str | None = None
    dataset: str | None = None
    dataset_version: int | None = None
    target: str | None = None
    features: tuple[str, ...] | None = field(default=None, repr=False)  # distinct, at least one
    hyperparameters: Mapping[str, object] | None = None
    test_share: float | None = None
    seed: int | None = None
    promote: bool | None = None


def read_training_ask(payload: Mapping[str, Any]) -> TrainingAsk:
    """The parsed body of a training or a retraining; a field that is null was not said. Raises
    InvalidRequest."""
    if payload.keys() - _FIELDS:
        raise InvalidRequest(f"Only {', '.join(sorted(_FIELDS))} are read.", param="request")
    said = {name: value for name, value in payload.items() if value is not None}
    dataset, version = _dataset(_text(said, "dataset"))
    model = _text(said, "model")
    return TrainingAsk(
        model=None if model is None else checked_name(model, "model"),
        model_class=_text(said, "model_class"),
        dataset=dataset,
        dataset_version=version,
        target=_text(said, "target"),
        features=_features(said.get("features")),
        hyperparameters=_hyperparameters(said.get("hyperparameters")),
        test_share=_test_share(said.get("test_share")),
        seed=_seed(said.get("seed")),
        promote=_promote(said.get("promote")),
    )


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    if value is not None and not (isinstance(value, str) and value):
        raise InvalidRequest(f"'{name}' must be a text that is not empty.", param=name)
    return value


def _dataset(text: str | None) -> tuple[str | None, int | None]:
    """`name` or `name@version`."""
    if text is None:
        return None, None
    name, at, version = text.partition("@")
    if at and not _VERSION.fullmatch(version):
        raise InvalidRequest("'dataset' must be name or name@version.", param="dataset")
    return checked_name(name, "dataset"), int(version) if at else None


def _features(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= MOST_FEATURES
        or not all(isinstance(name, str) for name in value)
        or len(set(value)) != len(value)
    ):
        raise InvalidRequest(
            f"'features' must be a list of 1 to {MOST_FEATURES} names of columns, each once.",
            param="features",
        )
    return tuple(value)


def _hyperparameters(value: Any) -> Mapping[str, object] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _MOST_HYPERPARAMETERS or not _finite(value):
        raise InvalidRequest(
            f"'hyperparameters' must be an object of up to {_MOST_HYPERPARAMETERS} finite values.",
            param="hyperparameters",
        )
    return value


def _finite(value: Any) -> bool:
    """JSON has no NaN; gRPC's Struct does."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _test_share(value: Any) -> float | None:
    low, high = _SHARES
    # The comparison is written so that NaN fails it.
    if value is not None and not (isinstance(value, float) and low <= value <= high):
        raise InvalidRequest(f"'test_share' must be a number from {low} to {high}.", param="test_share")
    return value


def _seed(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_SEED:
        raise InvalidRequest(f"'seed' must be an integer from 0 to {_MOST_SEED}.", param="seed")
    return value


def _promote(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest("'promote' must be true or false.", param="promote")
    return value
