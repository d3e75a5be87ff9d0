"""What the widgets of hyper-parameters hold between runs. Pure: a mapping in, values out.

Of a field at `KEY.NAME`: `.kind`, one of its constants as JSON or a range, and `.0`, `.1`, a number for each
range. A constant is kept as text: among the values None would mean that nothing is chosen.
"""

import json
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from ui.hyper import Field, Range, Value, in_range

NUMBERS = "number:"  # begins the choice of a range

State = MutableMapping[str, Any]


def options(field: Field) -> list[str]:
    """What `.kind` may be."""
    return [*map(json.dumps, field.constants), *(f"{NUMBERS}{place}" for place in range(len(field.ranges)))]


def is_switch(field: Field) -> bool:
    """Whether it is yes or no: then `.kind` is that itself."""
    return not field.ranges and set(field.constants) == {True, False}


def value_of(said: Mapping[str, Any], key: str, field: Field) -> Value:
    """What the widgets say, or will when they are drawn for the first time."""
    name = f"{key}.{field.name}"
    kind = said.get(f"{name}.kind")
    if kind is None:
        kind = kind_of(field, field.default)
    if isinstance(kind, bool):
        return kind
    if not kind.startswith(NUMBERS):
        constant: Value = json.loads(kind)
        return constant
    place = int(kind.removeprefix(NUMBERS))
    number: Value = said.get(f"{name}.{place}")
    return first_of(field, field.ranges[place]) if number is None else number


def kind_of(field: Field, value: Value) -> str | bool:
    """`.kind` for that value, which the field takes."""
    if is_switch(field):
        return bool(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        for place, of in enumerate(field.ranges):
            if in_range(value, of) or (not of.whole and in_range(float(value), of)):
                return f"{NUMBERS}{place}"
    return json.dumps(value)


def first_of(field: Field, of: Range) -> float:
    """The number that a range begins with: the default where it is of that range, else the least count or the
    middle of a share."""
    default = field.default
    if isinstance(default, int | float) and not isinstance(default, bool):
        number = default if of.whole else float(default)
        if in_range(number, of):
            return number
    if of.whole:
        return int(of.low or 0)
    return ((of.low or 0.0) + (of.high if of.high is not None else 1.0)) / 2


def fill(said: State, key: str, known: Sequence[Field], values: Mapping[str, Any]) -> None:
    """Has the widgets say these values, and the defaults elsewhere."""
    for field in known:
        name = f"{key}.{field.name}"
        value = values.get(field.name, field.default)
        kind = kind_of(field, value)
        said[f"{name}.kind"] = kind
        for place, of in enumerate(field.ranges):
            number = value if kind == f"{NUMBERS}{place}" else first_of(field, of)
            said[f"{name}.{place}"] = int(number) if of.whole else float(number)
