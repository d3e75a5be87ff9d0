"""What the operators that a training writes make of shapes. Others are refused, and so are other attributes
than those that are written."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

Shape = tuple[int, ...]

FLOAT, INT64, STRING, DOUBLE = 1, 7, 8, 11  # of TensorProto
_CASTS = {FLOAT, INT64, DOUBLE}
# Operators that answer in their inputs' shapes, with their attributes and how many inputs they have.
_ELEMENTWISE: Mapping[bytes, int] = {
    **dict.fromkeys((b"Add", b"Sub", b"Mul", b"Div", b"Equal", b"Greater"), 2),
    **dict.fromkeys((b"IsNaN", b"Neg", b"Round", b"Sigmoid"), 1),
    b"Where": 3,
}
_FIXED: Mapping[bytes, Mapping[bytes, int]] = {
    b"Gather": {b"axis": 1},
    b"Concat": {b"axis": 1},
    b"Softmax": {b"axis": 1},
    b"ArgMax": {b"axis": 1, b"keepdims": 0},
    b"ReduceSum": {b"keepdims": 1},
}


class Refused(Exception):
    """The file holds something else."""


def require(true: bool) -> None:
    if not true:
        raise Refused


def shape_of(operator: tuple[bytes, bytes], shapes: list[Shape], attributes: Mapping[bytes, Any]) -> Shape:
    match operator:
        case (b"ai.onnx.ml", b"TreeEnsembleRegressor"):
            require(b"n_targets" in attributes)
            ((rows, _),) = _of_rank(2, shapes, 1)
            require(attributes[b"n_targets"].i > 0)
            return rows, attributes[b"n_targets"].i
        case (b"ai.onnx.ml", b"OneHotEncoder"):
            require(attributes.keys() == {b"cats_strings", b"zeros"} and attributes[b"zeros"].i == 1)
            ((rows,),) = _of_rank(1, shapes, 1)
            return rows, len(attributes[b"cats_strings"].strings)
        case (b"", b"Cast"):
            require(attributes.keys() == {b"to"} and attributes[b"to"].i in _CASTS and len(shapes) == 1)
            return shapes[0]
        case (b"", name):
            require({key: one.i for key, one in attributes.items()} == _FIXED.get(name, {}))
            return _standard(name, shapes)
    raise Refused


def _standard(name: bytes, shapes: list[Shape]) -> Shape:
    """Of an operator of ONNX's own whose attributes are those that are written."""
    match name:
        case _ if len(shapes) == _ELEMENTWISE.get(name):
            return reduce(_broadcast, shapes)
        case b"Softmax":
            return _of_rank(2, shapes, 1)[0]
        case b"ArgMax":
            return _of_rank(2, shapes, 1)[0][:1]
        case b"Concat":
            parts = _of_rank(2, shapes, len(shapes))
            require(len({part[0] for part in parts}) == 1)
            return parts[0][0], sum(part[1] for part in parts)
        case b"Gather" if len(shapes) == 2:
            return _of_rank(2, shapes[:1], 1)[0][:1] + shapes[1]
        case b"MatMul":
            (rows, inner), (outer, columns) = _of_rank(2, shapes, 2)
            require(inner == outer)
            return rows, columns
        case b"ReduceSum":
            return _of_rank(2, shapes[:1], 1)[0][0], 1
        case b"Squeeze":
            rows, one = _of_rank(2, shapes[:1], 1)[0]
            require(one == 1)
            return (rows,)
    raise Refused


def _of_rank(rank: int, shapes: list[Shape], count: int) -> list[Shape]:
    require(len(shapes) == count > 0 and all(len(shape) == rank for shape in shapes))
    return shapes


def _broadcast(one: Shape, other: Shape) -> Shape:
    wide = max(len(one), len(other))
    pairs = zip((1,) * (wide - len(one)) + one, (1,) * (wide - len(other)) + other, strict=True)
    made = []
    for left, right in pairs:
        require(left == right or 1 in (left, right))
        made.append(right if left == 1 else left)
    return tuple(made)
