"""Tensors of the Open Inference Protocol on gRPC's wire: typed contents, or raw bytes. Pure.

Whatever the bytes are, they are read or refused with InvalidRequest.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import InvalidRequest
from gateway.open_inference import Tensor
from gateway.rpc.gen.open_inference_grpc_pb2 import (
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
)

_MOST_DIMENSIONS = 8
_LENGTH = struct.Struct("<I")  # in front of each element of BYTES
# BF16 has no letter in struct, and no model here takes it.
_LETTERS: Mapping[str, str] = {
    "BOOL": "?",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
_FIELDS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def read_inputs(asked: ModelInferRequest) -> list[Tensor]:
    """Raises InvalidRequest."""
    raw = asked.raw_input_contents
    if raw and len(raw) != len(asked.inputs):
        raise _refused("'raw_input_contents' must have one for each input.")
    tensors = []
    for place, one in enumerate(asked.inputs):
        if raw and one.HasField("contents"):
            raise _refused("Contents are raw for all inputs, or for none.")
        if len(one.shape) > _MOST_DIMENSIONS or any(size < 0 for size in one.shape):
            raise _refused(f"A 'shape' must be up to {_MOST_DIMENSIONS} sizes that are not negative.")
        count = math.prod(one.shape)
        data = (
            _from_raw(one.datatype, raw[place], count) if raw else _from_contents(one.datatype, one.contents)
        )
        if len(data) != count:
            raise _refused("The contents must have as many elements as the 'shape' says.")
        tensors.append(Tensor(one.name, one.datatype, tuple(one.shape), data))
    return tensors


def write_outputs(outputs: Sequence[Tensor], response: ModelInferResponse, *, raw: bool) -> None:
    for one in outputs:
        told = response.outputs.add(name=one.name, datatype=one.datatype, shape=one.shape)
        data = [text.encode() for text in one.data] if one.datatype == "BYTES" else one.data
        if raw:
            response.raw_output_contents.append(_raw(one.datatype, data))
        else:
            getattr(told.contents, _FIELDS[one.datatype]).extend(data)


def _from_contents(datatype: str, contents: InferTensorContents) -> Sequence[Any]:
    field = _FIELDS.get(datatype)
    if field is None:
        raise _refused("A 'datatype' is none that has typed contents.")
    if any(descriptor.name != field for descriptor, _ in contents.ListFields()):
        raise _refused("The contents must stand in the field of their 'datatype'.")
    data: Sequence[Any] = list(getattr(contents, field))
    return _texts(data) if datatype == "BYTES" else data


def _from_raw(datatype: str, raw: bytes, count: int) -> Sequence[Any]:
    if datatype == "BYTES":
        return _texts(_elements(raw))
    letter = _LETTERS.get(datatype)
    if letter is None:
        raise _refused("A 'datatype' is none that is known here.")
    if len(raw) != count * struct.calcsize(f"<{letter}"):
        raise _refused("The contents must have as many elements as the 'shape' says.")
    return struct.unpack(f"<{count}{letter}", raw)


def _elements(raw: bytes) -> list[bytes]:
    elements, at, end = [], 0, len(raw)
    while at < end:
        start = at + _LENGTH.size
        if start > end:
            raise _refused("A raw element of BYTES must be led by its length as four bytes.")
        at = start + _LENGTH.unpack_from(raw, at)[0]
        if at > end:
            raise _refused("A raw element of BYTES is longer than its contents.")
        elements.append(raw[start:at])
    return elements


def _texts(elements: Sequence[bytes]) -> list[str]:
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError:
        raise _refused("Elements of BYTES must be UTF-8.") from None


def _raw(datatype: str, data: Sequence[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(_LENGTH.pack(len(element)) + element for element in data)
    return struct.pack(f"<{len(data)}{_LETTERS[datatype]}", *data)


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(why, param="inputs")
