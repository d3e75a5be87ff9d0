"""A model's signature as the text that travels in its ONNX file. Written by the fit, read by who predicts.

The file may come from anybody who may write to the registry: reading it takes nothing for granted.
"""

import json
import math
from typing import Any

from gateway.training.facts import Cell, ColumnType, Feature, Signature

_INT64 = 2**63


def signature_json(signature: Signature) -> str:
    """One line of ASCII, the same for the same signature: a fit that is repeated gives the same file."""
    return json.dumps(
        {
            "features": [{"name": one.name, "type": one.type.value} for one in signature.features],
            "target": signature.target,
            "labels": list(signature.labels),
        },
        allow_nan=False,
    )


def read_signature(text: str) -> Signature:
    """Raises ValueError when the text is no signature."""
    try:
        told = json.loads(text, parse_constant=_no_number)
        signature = Signature(
            tuple(Feature(_text(one["name"]), ColumnType(one["type"])) for one in _list(told["features"])),
            _text(told["target"]),
            tuple(map(_label, _list(told["labels"]))),
        )
    except (KeyError, TypeError, RecursionError):
        raise ValueError("this is no signature of a model") from None
    _check(signature)
    return signature


def _check(signature: Signature) -> None:
    names = [one.name for one in signature.features]
    if not names or len({*names, signature.target}) <= len(names):
        raise ValueError("features must have names of their own, none of them the target's")
    if len(signature.labels) < 2 or len(set(signature.labels)) < len(signature.labels):
        raise ValueError("a model tells two labels apart, or more")
    if len({type(label) for label in signature.labels}) > 1:
        raise ValueError("labels must be of one type")


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _label(value: Any) -> Cell:
    match value:
        case bool() | str():
            return value
        case int() if -_INT64 <= value < _INT64:  # what the answer's tensor holds
            return value
        case float() if math.isfinite(value):
            return value
    raise ValueError("a label is a text, a number or a boolean")
