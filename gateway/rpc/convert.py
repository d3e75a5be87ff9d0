"""Facts <-> messages. Pure."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import InvalidRequest
from gateway.rpc.gen.datasets_pb2 import (
    COLUMN_TYPE_BOOLEAN,
    COLUMN_TYPE_INTEGER,
    COLUMN_TYPE_NUMBER,
    COLUMN_TYPE_TEXT,
    Cell,
)
from gateway.rpc.gen.datasets_pb2 import ColumnType as ColumnTypeName
from gateway.training import facts

_PAGE, _MOST_PAGE = 20, 200
_MOST_VERSION = 2**31 - 1
COLUMN_TYPES: Mapping[facts.ColumnType, ColumnTypeName] = {
    facts.ColumnType.NUMBER: COLUMN_TYPE_NUMBER,
    facts.ColumnType.INTEGER: COLUMN_TYPE_INTEGER,
    facts.ColumnType.BOOLEAN: COLUMN_TYPE_BOOLEAN,
    facts.ColumnType.TEXT: COLUMN_TYPE_TEXT,
}


def cell(value: facts.Cell) -> Cell:
    """A value of a table; a missing one is a cell with nothing set."""
    match value:
        case None:
            return Cell()
        case bool():
            return Cell(boolean=value)
        case int() if -(2**63) <= value < 2**63:
            return Cell(integer=value)
        case str():
            return Cell(text=value)
        case _:
            return Cell(number=value)


def timestamp(moment: datetime) -> Timestamp:
    told = Timestamp()
    told.FromDatetime(moment)
    return told


def struct(told: Mapping[str, object]) -> Struct:
    """Anything that JSON can say."""
    message = Struct()
    message.update(orjson.loads(orjson.dumps(dict(told))))
    return message


def unpacked(message: Struct) -> dict[str, Any]:
    """What a Struct says, its numbers as floats. protobuf's own bound of depth, 100, holds here too."""
    return {name: _plain(value) for name, value in message.fields.items()}


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return unpacked(value.struct_value)
        case "list_value":
            return [_plain(one) for one in value.list_value.values]
        case "number_value":
            return value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def whole_where_due(given: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Hyper-parameters with integral doubles as integers where the class's schema takes integers: a Struct
    has no others. Where a parameter takes counts or fractions, the fractions are below 1: nothing is lost."""
    properties = schema.get("properties", {})
    return {
        name: int(value)
        if isinstance(value, float)
        and math.isfinite(value)
        and value.is_integer()
        and _takes_integers(properties.get(name, {}))
        else value
        for name, value in given.items()
    }


def _takes_integers(schema: Mapping[str, Any]) -> bool:
    return any(branch.get("type") == "integer" for branch in schema.get("anyOf", [schema]))


def page_size(limit: int) -> int:
    """Raises InvalidRequest. 0 is what a message says that does not say it."""
    if not 0 <= limit <= _MOST_PAGE:
        raise InvalidRequest(f"'limit' must be 1 to {_MOST_PAGE}.", param="limit")
    return limit or _PAGE


def checked_version(version: int) -> int:
    """Raises InvalidRequest."""
    if not 1 <= version <= _MOST_VERSION:
        raise InvalidRequest("'version' must be a number from 1 on.", param="version")
    return version
