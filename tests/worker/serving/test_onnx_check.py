"""What may be in a model file: files that take much of little are refused before ONNX Runtime sees them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gateway.adapters.onnx_check import elements_of_a_row
from gateway.errors import ModelUnavailable
from tests.worker.serving.small_models import small_models

MANY = 500_000_000
ENDS = (
    helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
)


def model(*nodes: Any, constants: Sequence[tuple[str, Any]] = ()) -> onnx.ModelProto:
    """Its rows are `numbers` [n, 3] and `texts` [n, 2]."""
    inputs = [
        helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["n", 3]),
        helper.make_tensor_value_info("texts", TensorProto.STRING, ["n", 2]),
    ]
    outputs = [helper.make_tensor_value_info(*one) for one in (("label", 7, ["n"]), ("scores", 1, ["n", 3]))]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    graph = helper.make_graph([*nodes, *ENDS], "small", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def node(operator: str, *inputs: str, output: str = "scores", **attributes: Any) -> Any:
    return helper.make_node(operator, inputs, [output], **attributes)


TREES: dict[str, Any] = {  # one of a branch and two leaves, one of a leaf
    "n_targets": 2,
    "nodes_treeids": [0, 0, 0, 1],
    "nodes_nodeids": [0, 1, 2, 0],
    "nodes_featureids": [2, 0, 0, 0],
    "nodes_values": [1.5, 0.0, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 0, 0, 0],
    "nodes_falsenodeids": [2, 0, 0, 0],
    "nodes_missing_value_tracks_true": [0, 1, 0, 0],
    "target_treeids": [0, 0, 1],
    "target_nodeids": [1, 2, 0],
    "target_ids": [0, 1, 1],
    "target_weights": [0.5, 0.5, 0.5],
    "base_values": [0.1, 0.2],
    "aggregate_function": "SUM",
    "post_transform": "NONE",
}


def trees(targets: int) -> Any:
    told = {**TREES, "n_targets": targets, "base_values": [0.0] * min(targets, 5)}
    return node("TreeEnsembleRegressor", "numbers", domain="ai.onnx.ml", **told)


SOUND = model(node("Neg", "numbers"))
LONG = np.zeros(2_000, np.int64)
REFUSED = {
    "filled": model(node("ConstantOfShape", "shape"), constants=[("shape", np.array([MANY]))]),
    "expanded": model(node("Expand", "numbers", "shape"), constants=[("shape", np.array([1, MANY]))]),
    "targets": model(trees(MANY)),
    "outer product": model(
        node("MatMul", "column", "row", output="wide"),
        node("Add", "numbers", "wide"),
        constants=[("column", np.zeros((2_000, 1))), ("row", np.zeros((1, 2_000)))],
    ),
    "broadcast of constants": model(
        node("Add", "column", "row"),
        constants=[("column", np.zeros((2_000, 1))), ("row", np.zeros((1, 2_000)))],
    ),
    "rows by rows": model(
        node("ArgMax", "numbers", output="one", axis=1, keepdims=0), node("Add", "numbers", "one")
    ),
    "doubled": model(
        *(
            node("Concat", *["numbers" if n == 0 else f"x{n}"] * 2, output=f"x{n + 1}", axis=1)
            for n in range(30)
        ),
        node("Neg", "x30"),
    ),
    "texts again and again": model(node("Gather", "texts", "long", axis=1), constants=[("long", LONG)]),
    "a text a third time": model(
        *(node("Gather", "texts", "first", output=f"text{n}", axis=1) for n in range(3)),
        node("Neg", "numbers"),
        constants=[("first", np.int64(0))],
    ),
    "texts of its own": model(node("Neg", "numbers"), constants=[("words", np.array(["a"], object))]),
    "as texts": model(node("Cast", "numbers", to=TensorProto.STRING)),
    "summed over rows": model(
        node("ReduceSum", "numbers", "rows", keepdims=1), constants=[("rows", np.array([0]))]
    ),
    "another attribute": model(node("Neg", "numbers", of=1)),
    "another domain": model(node("Neg", "numbers", domain="local")),
    "a graph": model(node("Neg", "numbers", body=SOUND.graph)),
    "before it is made": model(node("Neg", "later"), node("Neg", "numbers", output="later")),
    "made twice": model(node("Neg", "numbers"), node("Neg", "numbers")),
}


def changed(change: str) -> bytes:
    one = model(node("Add", "numbers", "more"), constants=[("more", np.zeros(3, np.float32))])
    tensor = one.graph.initializer[0]
    match change:
        case "a function":
            one.functions.add(name="Neg", domain="local")
        case "training":
            one.training_info.add()
        case "sparse":
            one.graph.sparse_initializer.add()
        case "data elsewhere":
            tensor.data_location = TensorProto.EXTERNAL
        case "more than there is":
            tensor.dims[0] = MANY
        case "less than nothing":
            tensor.dims[:] = [-1, -3]
        case "known rows":
            one.graph.input[0].type.tensor_type.shape.dim[0].dim_value = MANY
        case "an older opset":
            one.opset_import[0].version = 9
        case "another opset":
            one.opset_import.add(domain="com.microsoft", version=1)
        case "many nodes":
            one.graph.node.extend(node("Neg", "numbers", output=f"x{n}") for n in range(9_000))
        case "shapes told":
            one.graph.value_info.append(one.graph.input[0])
    return bytes(one.SerializeToString())


CHANGES = (
    "a function",
    "training",
    "sparse",
    "data elsewhere",
    "more than there is",
    "less than nothing",
    "known rows",
    "an older opset",
    "another opset",
    "many nodes",
    "shapes told",
)


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_much_of_little_is_refused(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="no training writes"):
        elements_of_a_row(REFUSED[name].SerializeToString())


@pytest.mark.parametrize("change", CHANGES)
def test_what_no_training_writes_is_refused(change: str) -> None:
    assert elements_of_a_row(changed("")) == 7
    with pytest.raises(ModelUnavailable, match="no training writes"):
        elements_of_a_row(changed(change))


NO_TREES: dict[str, tuple[str, Any]] = {
    "its own child": ("nodes_truenodeids", [0, 0, 0, 0]),
    "the same child twice": ("nodes_falsenodeids", [1, 0, 0, 0]),
    "a child in another tree": ("nodes_falsenodeids", [3, 0, 0, 0]),
    "a child nowhere": ("nodes_falsenodeids", [1 << 62, 0, 0, 0]),
    "a child before the first": ("nodes_truenodeids", [-(1 << 63), 0, 0, 0]),
    "a column that is not there": ("nodes_featureids", [3, 0, 0, 0]),
    "a column before the first": ("nodes_featureids", [0, 0, -1, 0]),
    "another order": ("nodes_nodeids", [0, 2, 1, 0]),
    "a tree left out": ("nodes_treeids", [0, 0, 0, 2]),
    "a tree before the first": ("nodes_treeids", [-1, -1, -1, 0]),
    "a tree begun again": ("nodes_treeids", [0, 1, 0, 1]),
    "another mode": ("nodes_modes", ["BRANCH_EQ", "LEAF", "LEAF", "LEAF"]),
    "no branch": ("nodes_modes", ["LEAF", "LEAF", "LEAF", "LEAF"]),
    "fewer modes": ("nodes_modes", ["BRANCH_LEQ", "LEAF", "LEAF"]),
    "fewer values": ("nodes_values", [1.5, 0.0, 0.0]),
    "more children": ("nodes_truenodeids", [1, 0, 0, 0, 0]),
    "a branch that says": ("target_nodeids", [0, 2, 0]),
    "a leaf that says nothing": ("target_nodeids", [1, 1, 0]),
    "of a tree that is not there": ("target_treeids", [0, 0, 2]),
    "of a node that is not there": ("target_nodeids", [1, 2, 1]),
    "of a target that is not there": ("target_ids", [0, 1, 2]),
    "of a target before the first": ("target_ids", [0, -1, 1]),
    "fewer weights": ("target_weights", [0.5, 0.5]),
    "more to begin with": ("base_values", [0.1, 0.2, 0.3]),
    "another sum": ("aggregate_function", "MAX"),
    "another end": ("post_transform", "SOFTMAX"),
    "numbers for texts": ("nodes_modes", [0, 1, 1, 1]),
    "more than is written": ("nodes_hitrates", [1.0, 1.0, 1.0, 1.0]),
}


def forest(**changes: Any) -> bytes:
    one = node("TreeEnsembleRegressor", "numbers", domain="ai.onnx.ml", **{**TREES, **changes})
    return bytes(model(one).SerializeToString())


@pytest.mark.parametrize("name", NO_TREES)
def test_trees_that_are_none_are_refused(name: str) -> None:
    attribute, value = NO_TREES[name]
    assert elements_of_a_row(forest()) == 2 + 2 + 1
    with pytest.raises(ModelUnavailable, match="no training writes"):
        elements_of_a_row(forest(**{attribute: value}))


def test_every_attribute_of_trees_is_needed() -> None:
    for name in TREES.keys() - {"base_values", "aggregate_function", "post_transform"}:
        whole = {key: value for key, value in TREES.items() if key != name}
        one = node("TreeEnsembleRegressor", "numbers", domain="ai.onnx.ml", **whole)
        with pytest.raises(ModelUnavailable, match="no training writes"):
            elements_of_a_row(model(one).SerializeToString())


def test_elements_are_those_of_all_values() -> None:
    assert elements_of_a_row(SOUND.SerializeToString()) == 3 + 3 + 1
    assert elements_of_a_row(model(trees(5)).SerializeToString()) == 5 + 5 + 1
    assert elements_of_a_row(small_models()["mixed"]) == 17


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        elements_of_a_row(b"not a model")
