"""An ONNX graph as it is built: nodes, constants and their names, which depend on nothing but their order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

_OPSET, _ML_OPSET, _IR = 20, 3, 10  # fixed: the same fit gives the same bytes after an upgrade too
_ML = "ai.onnx.ml"


class Graph:
    """`add` returns the name of a node's output, to be given to the next."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str, kind: int, width: int) -> str:
        """[n, width]."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, ["n", width]))
        return name

    def constant(self, value: npt.ArrayLike) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        node = helper.make_node(
            operator, inputs, [output or f"{operator}_{len(self._nodes)}"], name=f"node_{len(self._nodes)}"
        )
        if operator in ("OneHotEncoder", "TreeEnsembleRegressor"):
            node.domain = _ML
        node.attribute.extend(_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return str(node.output[0])

    def cast(self, value: str, kind: int, output: str = "") -> str:
        return self.add("Cast", value, output=output, to=kind)

    def model(self, labels: int, metadata: Mapping[str, str]) -> bytes:
        """With the outputs `label` [n] and `probabilities` [n, labels], which nodes have made."""
        graph = helper.make_graph(
            self._nodes,
            "model",
            self._inputs,
            [
                helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
                helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", labels]),
            ],
            self._constants,
        )
        model: ModelProto = helper.make_model(
            graph,
            ir_version=_IR,
            opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_ML, _ML_OPSET)],
            producer_name="grading-gateway",
        )
        helper.set_model_props(model, dict(metadata))
        return bytes(model.SerializeToString(deterministic=True))


def _attribute(name: str, value: Any) -> Any:
    """As helper.make_attribute, which looks at each of a forest's millions of items in turn."""
    if not isinstance(value, np.ndarray | Sequence) or isinstance(value, str):
        return helper.make_attribute(name, value)
    attribute = AttributeProto(name=name)
    items = np.asarray(value)
    match items.dtype.kind:
        case "i" | "b":
            attribute.type = AttributeProto.INTS
            attribute.ints.extend(items.astype(np.int64).tolist())
        case "f":
            attribute.type = AttributeProto.FLOATS
            attribute.floats.extend(items.astype(np.float32).tolist())
        case _:
            attribute.type = AttributeProto.STRINGS
            attribute.strings.extend(text.encode() for text in value)
    return attribute
