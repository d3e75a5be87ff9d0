"""JSON Schemas of hyper-parameters, made of what scikit-learn itself checks and documents, within our caps.

`python -m gateway.adapters.fitting.schemas` writes them to gateway/training/classes, where the gateway reads
them without scikit-learn; a test compares.
"""

import inspect
import json
import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions

from gateway.adapters.fitting.table import TABLE, Cap, Row

FOLDER = Path(__file__).parents[2] / "training" / "classes"

_PARAMETER = re.compile(r"^(\w+) : ")
_ROLE = re.compile(r":\w+:`([^`<]*?)\s*(?:<[^>]*>)?`")
_LINK = re.compile(r"\s*\[\d+\]_|<[^>]*>")
_SENTENCE = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!a\.k\.a)\.(?=\s|$)|:$")


def schema(row: Row) -> dict[str, Any]:
    """Of the class's hyper-parameters."""
    sentences = _documented(row.estimator)
    defaults = {
        name: one.default for name, one in inspect.signature(row.estimator.__init__).parameters.items()
    }
    properties = {
        name: {
            "description": cap.says or sentences[name],
            **_property(row.estimator._parameter_constraints[name], cap),
            "default": defaults[name],
        }
        for name, cap in row.takes.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": row.title,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"allOf": [*row.rules]} if row.rules else {}),
    }


def document(row: Row) -> str:
    """The file of a class."""
    estimator = f"{row.estimator.__module__.split('._')[0]}.{row.estimator.__name__}"
    told = {"name": row.name, "title": row.title, "estimator": estimator, "schema": schema(row)}
    return json.dumps(told, indent=2, allow_nan=False) + "\n"


def _property(constraints: Sequence[Any], cap: Cap) -> dict[str, Any]:
    intervals = [one for one in constraints if isinstance(one, Interval)]
    whole = [one for one in intervals if one.type is Integral]
    branches = [_numbers(one, cap) for one in whole if cap.whole]
    for one in intervals:
        if one.type is not Integral:
            branches.append(_fractions(one) if branches else _numbers(one, cap))
    options: list[str] = []
    for one in constraints:
        if isinstance(one, StrOptions | Options) and not isinstance(one, Hidden):
            options += sorted(
                option for option in one.options if option not in (*cap.without, *one.deprecated)
            )
    if options:
        branches.append({"enum": options})
    if "boolean" in constraints:
        branches.append({"type": "boolean"})
    if None in constraints and None not in cap.without:
        branches.append({"type": "null"})
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def _numbers(interval: Any, cap: Cap) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "integer" if interval.type is Integral else "number"}
    least = -math.inf if interval.left is None else interval.left
    most = math.inf if interval.right is None else interval.right
    if cap.least is not None and cap.least > least:
        told["minimum"] = cap.least
    elif least > -math.inf:
        told["minimum" if interval.closed in ("left", "both") else "exclusiveMinimum"] = least
    if cap.most is not None and cap.most < most:
        told["maximum"] = cap.most
    elif most < math.inf:
        told["maximum" if interval.closed in ("right", "both") else "exclusiveMaximum"] = most
    return told


def _fractions(interval: Any) -> dict[str, Any]:
    """Beside whole numbers: 1.0 would be all and 1 just one."""
    if (interval.left, interval.right) != (0, 1) or interval.closed == "both":
        raise ValueError("this interval beside whole numbers is new: say in the table what is taken of it")
    return {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}


def _documented(estimator: Any) -> Mapping[str, str]:
    """The first sentence on each parameter, in plain words (the docstring is in numpydoc's form)."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (inspect.getdoc(estimator) or "").splitlines():
        if match := _PARAMETER.match(line):
            name = match[1]
            found.setdefault(name, [])
        elif name and line.startswith("    "):
            found[name].append(line.strip())
        elif name and not line.strip():
            found[name].append("")
    return {name: _sentence(lines) for name, lines in found.items()}


def _sentence(lines: Sequence[str]) -> str:
    """The first paragraph's first sentence. The first line may still be of the parameter's type."""
    if lines and re.match(r"^default=", lines[0]):
        lines = lines[1:]
    paragraph = " ".join(lines).strip().split("  ")[0]
    plain = _LINK.sub("", _ROLE.sub(r"\1", paragraph)).replace("`", "").strip()
    end = _SENTENCE.search(plain)
    return (plain[: end.start()] if end else plain) + "."


def main() -> None:
    for row in TABLE.values():
        (FOLDER / f"{row.name}.json").write_text(document(row), encoding="ascii")


if __name__ == "__main__":
    main()
