"""The model classes that can be trained, read from the files that the worker's scikit-learn wrote."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from gateway.errors import InvalidHyperparameters, InvalidRequest
from gateway.training.facts import ModelClass

_FOLDER = Path(__file__).parent / "classes"
_PARAM = "hyperparameters"
_LONGEST = 2**63  # no whole number of ours is larger; the validator would take any


class ModelClasses:
    """Reads the files at first use, 2 ms. Nothing is ever fetched."""

    def all(self) -> list[ModelClass]:
        return [known.told for known in self._known.values()]

    def get(self, name: str) -> ModelClass:
        """Raises InvalidRequest."""
        return self._get(name).told

    def check(self, name: str, hyperparameters: Mapping[str, Any]) -> None:
        """Returns when the class takes them. What is not given is the class's default. Raises InvalidRequest
        for an unknown class, InvalidHyperparameters naming the first that is wrong."""
        self._get(name).check(hyperparameters)

    def _get(self, name: str) -> "_Known":
        try:
            return self._known[name]
        except KeyError:
            raise InvalidRequest(
                f"'model_class' must be one of {', '.join(self._known)}.",
                param="model_class",
                detail=_given(name),
            ) from None

    @cached_property
    def _known(self) -> Mapping[str, "_Known"]:
        known = (_Known(ModelClass(**orjson.loads(file.read_bytes()))) for file in _FOLDER.glob("*.json"))
        return {one.told.name: one for one in sorted(known, key=lambda one: one.told.name)}


class _Known:
    """A class and its compiled schema."""

    def __init__(self, told: ModelClass) -> None:
        self.told = told
        self._schema: dict[str, Any] = dict(told.schema)
        self._properties: Mapping[str, Any] = self._schema["properties"]
        self._validator = Draft202012Validator(self._schema, mask="the value", offline=True)

    def check(self, hyperparameters: Mapping[str, Any]) -> None:
        for name, value in hyperparameters.items():
            if name not in self._properties:
                raise InvalidHyperparameters(
                    f"'{_PARAM}' has a name that the model class does not know.",
                    param=_PARAM,
                    detail=_given(name),
                )
            self._check_kind(name, value)
        try:
            self._validator.validate(dict(hyperparameters))
        except ValidationError as error:
            raise self._refusal(error) from None

    def _check_kind(self, name: str, value: object) -> None:
        """What JSON Schema does not see: NaN, which the validator reads as null, and 1.0 for 1, which are the
        same to it and not to scikit-learn."""
        match value:
            case bool() | None:
                return
            case int():
                good = abs(value) < _LONGEST
            case float():
                good = math.isfinite(value) and not (value.is_integer() and _is_whole(self._properties[name]))
            case str():
                good = value.isascii()  # every option of ours is; and half a surrogate pair is no UTF-8
            case _:
                good = False
        if not good:
            raise _invalid(name, _wanted(self._properties[name]))

    def _refusal(self, error: ValidationError) -> InvalidHyperparameters:
        match [*error.schema_path]:
            case ["allOf", int() as number, *_]:
                name = error.kind.property if isinstance(error.kind, ValidationErrorKind.Required) else None
                return _invalid(
                    name or str(error.instance_path[0]), self._schema["allOf"][number]["description"]
                )
        name = str(error.instance_path[0])
        return _invalid(name, _wanted(self._properties[name]))


def _given(name: str) -> str:
    """For the caller alone."""
    return f"Given: '{name}'."


def _invalid(name: str, text: str) -> InvalidHyperparameters:
    return InvalidHyperparameters(f"'{_PARAM}.{name}': {text}.", param=f"{_PARAM}.{name}")


def _branches(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    branches: Sequence[Mapping[str, Any]] = schema.get("anyOf", [schema])
    return branches


def _is_whole(schema: Mapping[str, Any]) -> bool:
    """Whether a number without a fraction is a count here. Beside counts, fractions are between 0 and 1."""
    return any(branch.get("type") == "integer" for branch in _branches(schema))


def _wanted(schema: Mapping[str, Any]) -> str:
    """In words, for people: 'must be a whole number from 1 to 64 or null'."""
    return "must be " + " or ".join(map(_words, _branches(schema)))


def _words(branch: Mapping[str, Any]) -> str:
    if "enum" in branch:
        return "one of " + ", ".join(branch["enum"]) if len(branch["enum"]) > 1 else str(branch["enum"][0])
    match branch["type"]:
        case "boolean":
            return "true or false"
        case "null":
            return "null"
    bounds = [
        f"{words} {branch[bound]:g}"
        for bound, words in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if bound in branch
    ]
    return " ".join(["a whole number" if branch["type"] == "integer" else "a number", *bounds])
