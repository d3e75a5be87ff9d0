"""What a model file may hold: what fitting/{graph,trees,export} and fraud/export write, and nothing else.

Looked at before ONNX Runtime sees the file: to it 1,300 bytes may be a tensor of 2 GB. Of the wire format
only the fields that are written are declared: all others are unknown ones, which are refused. The shape of
every value is worked out, and a row may have no more elements than the file has bytes: no constant, broadcast
or repetition makes much of little.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from gateway.adapters.onnx_shapes import DOUBLE, FLOAT, INT64, STRING, Refused, Shape, require, shape_of
from gateway.adapters.onnx_trees import TREES, check_trees
from gateway.errors import ModelUnavailable

_ROWS = -1  # as a dimension: how many rows are asked
_MOST_PARTS = 8_192  # nodes, and constants; 1,000 columns of texts take three nodes and a constant each
_OPSETS = {b"": range(13, 21), b"ai.onnx.ml": range(3, 4)}  # before 13 axes were attributes
_ITEMS = {FLOAT: ("float_data", 4), INT64: ("int64_data", 8), DOUBLE: ("double_data", 8)}
_AXIS = (1).to_bytes(8, "little")  # the constant by which columns are named
_INPUTS = {b"numbers": FLOAT, b"texts": STRING}

# Fields by message of onnx.proto3: name, number, kind. Kinds end with "*" where there may be several.
_FIELDS: Mapping[str, str] = {
    "Model": (
        "ir_version:1:int producer_name:2:bytes producer_version:3:bytes domain:4:bytes model_version:5:int "
        "doc_string:6:bytes graph:7:Graph opset_import:8:Opset* metadata_props:14:bytes*"
    ),
    "Opset": "domain:1:bytes version:2:int",
    "Graph": (
        "node:1:Node* name:2:bytes initializer:5:Tensor* doc_string:10:bytes input:11:Value* output:12:bytes*"
    ),
    "Node": (
        "input:1:bytes* output:2:bytes* name:3:bytes op_type:4:bytes attribute:5:Attribute* "
        "doc_string:6:bytes domain:7:bytes"
    ),
    "Attribute": "name:1:bytes i:3:int s:4:bytes floats:7:float* ints:8:int* strings:9:bytes* type:20:int",
    "Tensor": (
        "dims:1:int* data_type:2:int float_data:4:float* int64_data:7:int* name:8:bytes raw_data:9:bytes "
        "double_data:10:double*"
    ),
    "Value": "name:1:bytes type:2:Type",
    "Type": "tensor:1:Rows",
    "Rows": "kind:1:int shape:2:Dims",
    "Dims": "dim:1:Dim*",
    "Dim": "value:1:int param:2:bytes",
}


def elements_of_a_row(content: bytes) -> int:
    """How many elements the values have together for each row. Raises ModelUnavailable for a file that cannot
    be read, or that no training writes. 0.9 s for a forest of 32 MB."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - 20 ms that most deployments never need

    try:
        model = _messages()["Model"].FromString(content)
        return _elements(model, len(content))
    except DecodeError:
        raise ModelUnavailable("The model file cannot be loaded.") from None
    except Refused:
        raise ModelUnavailable("The model file holds what no training writes.") from None


@cache
def _messages() -> Mapping[str, Any]:
    """The classes of the messages in _FIELDS."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415 - as above

    kinds = {"bytes": 12, "int": 3, "float": 2, "double": 1}  # of FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="model_file.proto", package="model_file", syntax="proto2")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            called, number, kind = field.split(":")
            message.field.add(
                name=called,
                number=int(number),
                label=3 if kind.endswith("*") else 1,
                type=kinds.get(kind.rstrip("*"), 11),
                type_name=None if kind.rstrip("*") in kinds else f".model_file.{kind.rstrip('*')}",
            )
    pool = descriptor_pool.DescriptorPool()  # its own: where `onnx` is imported too, neither knows the other
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"model_file.{name}"))
        for name in _FIELDS
    }


def _elements(model: Any, size: int) -> int:
    graph = model.graph
    require(len(graph.node) <= _MOST_PARTS and len(graph.initializer) <= _MOST_PARTS)
    from google.protobuf.unknown_fields import UnknownFieldSet  # noqa: PLC0415 - as above

    for message in _all_of(model):
        require(not len(UnknownFieldSet(message)))
    opsets = {one.domain: one.version for one in model.opset_import}
    require(len(opsets) == len(model.opset_import) and b"" in opsets)
    require(all(version in _OPSETS.get(domain, ()) for domain, version in opsets.items()))
    values = _Values()
    for tensor in graph.initializer:
        values.constant(tensor)
    for value in graph.input:
        values.input(value)
    elements = 0
    for node in graph.node:
        elements += math.prod(values.made(node)[1:])
        require(elements <= size)
    return elements


def _all_of(model: Any) -> Iterator[Any]:
    """Every message."""
    graph = model.graph
    yield from (model, graph, *model.opset_import, *graph.node, *graph.initializer)
    for value in graph.input:
        tensor = value.type.tensor
        yield from (value, value.type, tensor, tensor.shape, *tensor.shape.dim)
    for node in graph.node:
        yield from node.attribute


class _Values:
    """The values' shapes, as they are made one by one."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, Shape] = {}
        self._texts: set[bytes] = set()  # those of strings
        self._axes: set[bytes] = set()  # constants that are [1]
        self._columns = 0  # of strings, that may still be taken

    def constant(self, tensor: Any) -> None:
        field, width = _item(tensor)
        shape, raw = tuple(tensor.dims), tensor.raw_data
        require(len(shape) <= 2 and all(0 <= one <= len(raw) + len(field) for one in shape))
        require(math.prod(shape) * width == len(raw) + len(field) * width and not (raw and field))
        if (
            shape == (1,)
            and tensor.data_type == INT64
            and (raw or field[0].to_bytes(8, "little", signed=True)) == _AXIS
        ):
            self._axes.add(tensor.name)
        self._put(tensor.name, shape)

    def input(self, value: Any) -> None:
        """[rows, columns]."""
        rows, columns = _two(value.type.tensor.shape.dim)
        require(value.type.tensor.kind == _INPUTS.get(value.name))
        require(not rows.HasField("value") and columns.HasField("value") and columns.value > 0)
        if value.type.tensor.kind == STRING:
            self._texts.add(value.name)
            self._columns = columns.value
        self._put(value.name, (_ROWS, columns.value))

    def made(self, node: Any) -> Shape:
        """The shape of what the node makes."""
        inputs = list(node.input)
        require(len(node.output) == 1 and all(name in self._shapes for name in inputs))
        shapes = [self._shapes[name] for name in inputs]
        of_texts = bool(self._texts.intersection(inputs))
        attributes = _attributes(node)
        operator = (node.domain, node.op_type)
        if operator == (b"", b"Gather") and of_texts:
            # One column each time, and each once: a text may be long.
            self._columns -= 1
            require(self._columns >= 0 and shapes[1:] == [()])
            self._texts.add(node.output[0])
        else:
            require(of_texts == (operator == (b"ai.onnx.ml", b"OneHotEncoder")))
        if node.op_type in (b"ReduceSum", b"Squeeze"):
            require(len(inputs) == 2 and inputs[1] in self._axes)
        shape = shape_of(operator, shapes, attributes)
        if operator == TREES:
            check_trees(attributes, shapes[0][1])
        require(shape[:1] == (_ROWS,) and _ROWS not in shape[1:])
        self._put(node.output[0], shape)
        return shape

    def _put(self, name: bytes, shape: Shape) -> None:
        require(bool(name) and name not in self._shapes)
        self._shapes[name] = shape


def _item(tensor: Any) -> tuple[Sequence[Any], int]:
    """The tensor's numbers that are not raw, and the bytes of a raw one."""
    field, width = _ITEMS.get(tensor.data_type, ("", 0))
    given = {told.name for told, _ in tensor.ListFields()} - {"dims", "data_type", "name", "raw_data"}
    require(bool(field) and given <= {field})
    return getattr(tensor, field), width


def _attributes(node: Any) -> dict[bytes, Any]:
    attributes = {one.name: one for one in node.attribute}
    require(len(attributes) == len(node.attribute))
    for one in node.attribute:
        told = {field.name for field, _ in one.ListFields()}
        require((node.domain, node.op_type) == TREES or not told & {"floats", "ints"})
    return attributes


def _two(dims: Sequence[Any]) -> Sequence[Any]:
    require(len(dims) == 2)
    return dims
