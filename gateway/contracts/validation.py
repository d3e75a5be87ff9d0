"""Payloads against schemas, and what a refusal says: a field and a rule of ours, never a caller's words."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012, Draft202012Validator, Registry, ValidationError, ValidationErrorKind

from gateway.contracts.files import contracts
from gateway.errors import InvalidRequest

WHOLE = "request"  # the name of a fault that is in no known field


def check(payload: Any, name: str) -> None:
    """Returns when the payload is what the schema file says. Raises InvalidRequest naming the field."""
    try:
        validator(name).validate(payload)
    except ValidationError as error:
        raise _refusal(error) from None


@cache
def validator(name: str) -> Draft202012Validator:
    """The compiled schema, made once in a process, 1 ms. Nothing is ever fetched."""
    return Draft202012Validator(
        dict(contracts()[name].schema), registry=_registry(), mask="the value", offline=True
    )


@cache
def _registry() -> Registry:
    schemas = (dict(contract.schema) for contract in contracts().values())
    return Registry([(schema["$id"], schema) for schema in schemas], draft=Draft202012)


def invalid(path: Sequence[str | int], text: str) -> InvalidRequest:
    """The refusal of the field at `path`, from the payload's root; the text is constant."""
    field = ".".join(map(str, path)) or WHOLE
    return InvalidRequest(f"'{field}': {text}.", param=field)


def _refusal(error: ValidationError) -> InvalidRequest:
    kind = error.kind
    while isinstance(kind, ValidationErrorKind.AnyOf):
        # Every anyOf of ours is [what is meant, null].
        error = kind.context[0][0]
        kind = error.kind
    # Parts of a path are our own names and indexes: nothing is checked inside what is open.
    path = error.instance_path
    match kind:
        case ValidationErrorKind.Required(property=missing):
            return invalid([*path, missing], "is required")
        case ValidationErrorKind.AdditionalProperties():
            return invalid(path, "has an unknown field")  # whose name is a caller's word
        case ValidationErrorKind.Enum(options=options):
            return invalid(
                path, f"must be one of {', '.join(str(one) for one in options if one is not None)}"
            )
        case ValidationErrorKind.Pattern():
            return invalid(path, f"must look like '{_example(error)}'")
        case ValidationErrorKind.FalseSchema() | ValidationErrorKind.Type(types=["null"]):
            return invalid(path, "is not allowed beside the other fields")
    return invalid(path, error.message)


def _example(error: ValidationError) -> str:
    """Of the schema that the value breaks: a regular expression is no message to a person."""
    schema_of = (error.absolute_keyword_location or "").rpartition("/")[0]
    schema: Any = _registry().resolver("").lookup(schema_of).contents
    return str(schema["examples"][0])


def fields(name: str) -> Mapping[str, Any]:
    """The fields that a schema file knows at its root."""
    properties: Mapping[str, Any] = contracts()[name].schema["properties"]
    return properties
