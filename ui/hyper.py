"""Hyper-parameters by the JSON Schema of their model class: fields of a form, what differs from the defaults,
and what is wrong with which. Pure.

The gateway has the last word; what is checked here spares a request and tells the same.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

Value = str | float | int | bool | None
Word = Callable[..., str]  # the words of a name, in the reader's language


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a field takes."""

    whole: bool
    low: float | None = None
    high: float | None = None
    low_open: bool = False  # the bound itself is outside
    high_open: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A hyper-parameter: constants that it takes, and ranges of numbers."""

    name: str
    description: str
    default: Value
    constants: tuple[Value, ...] = ()
    ranges: tuple[Range, ...] = ()


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """In the schema's order."""
    return [_field(name, told) for name, told in schema.get("properties", {}).items()]


def _field(name: str, told: Mapping[str, Any]) -> Field:
    constants: list[Value] = []
    ranges: list[Range] = []
    for branch in told.get("anyOf", [told]):
        if "enum" in branch:
            constants += branch["enum"]
        elif branch.get("type") == "boolean":
            constants += [True, False]
        elif branch.get("type") == "null":
            constants.append(None)
        else:
            ranges.append(_range(branch))
    return Field(name, told.get("description", ""), told.get("default"), tuple(constants), tuple(ranges))


def _range(branch: Mapping[str, Any]) -> Range:
    return Range(
        whole=branch.get("type") == "integer",
        low=branch.get("minimum", branch.get("exclusiveMinimum")),
        high=branch.get("maximum", branch.get("exclusiveMaximum")),
        low_open="exclusiveMinimum" in branch,
        high_open="exclusiveMaximum" in branch,
    )


def same(one: Value, other: Value) -> bool:
    """Python takes 1, 1.0 and True for equal; scikit-learn does not."""
    return type(one) is type(other) and one == other


def in_range(number: float, of: Range) -> bool:
    """Whether it is of that range, by kind and size. Where both are taken, 1 is a count and 1.0 a share."""
    if of.whole != isinstance(number, int):
        return False
    if of.low is not None and (number < of.low or (of.low_open and number == of.low)):
        return False
    return of.high is None or number < of.high or (number == of.high and not of.high_open)


def differing(known: Sequence[Field], values: Mapping[str, Value]) -> dict[str, Value]:
    """What is not the default: nothing else is sent, nor shown as JSON."""
    return {
        field.name: values[field.name]
        for field in known
        if field.name in values and not same(values[field.name], field.default)
    }


def read_json(text: str) -> dict[str, Any] | None:
    """The object that the text is; None where it is none. An empty text is an object without anything."""
    if not text.strip():
        return {}
    try:
        read = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def faults(schema: Mapping[str, Any], values: Mapping[str, Any], word: Word) -> dict[str, str]:
    """What is wrong, by the name of the hyper-parameter."""
    known = {field.name: field for field in fields(schema)}
    found = {name: word("unknown") for name in values if name not in known}
    for error in Draft202012Validator(dict(schema)).iter_errors(dict(values)):
        path, where = list(error.absolute_path), list(error.absolute_schema_path)
        if where[:1] == ["allOf"]:
            # A rule between several; its description is the schema's own text.
            lacking = [one for one in error.validator_value if one not in values]
            name = lacking[0] if error.validator == "required" and lacking else str(path[0] if path else "")
            found.setdefault(name, schema["allOf"][where[1]].get("description", ""))
        elif path and path[0] in known:
            found[str(path[0])] = wanted(known[str(path[0])], word)
    for name, value in values.items():
        if name in known and name not in found and not _is_one_of(known[name], value):
            found[name] = wanted(known[name], word)  # 1.0 for 1, which JSON Schema takes for the same
    return found


def _is_one_of(field: Field, value: Any) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return any(
            in_range(value, of) or (not of.whole and in_range(float(value), of)) for of in field.ranges
        )
    return any(same(value, one) for one in field.constants)


def wanted(field: Field, word: Word) -> str:
    """What it takes, in words: a whole number from 1 to 64, or none."""
    parts = [_range_words(of, word) for of in field.ranges]
    parts += [constant_words(one, word) for one in field.constants]
    return word("wanted", what=f", {word('or')} ".join(parts))


def constant_words(value: Value, word: Word) -> str:
    if value is None:
        return word("null")
    if isinstance(value, bool):
        return word("true" if value else "false")
    return str(value)


def _range_words(of: Range, word: Word) -> str:
    parts = [word("whole" if of.whole else "number")]
    if of.low is not None:
        parts.append(word("above" if of.low_open else "from", bound=f"{of.low:g}"))
    if of.high is not None:
        parts.append(word("below" if of.high_open else "to", bound=f"{of.high:g}"))
    return " ".join(parts)
