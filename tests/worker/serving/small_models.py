"""Writes the model files that the tests of prediction load: a few hundred bytes each, made by hand.

`.venv-worker/bin/python -m tests.worker.serving.small_models FOLDER`. What each computes is plain in its
function, so that a test knows the answer without scikit-learn.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

FOLDER = Path(__file__).parents[2] / "gateway" / "models"
_IR, _OPSETS = 10, [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]


def small_models() -> dict[str, bytes]:
    """The files by name."""
    return {
        **{f"constant-{number}": _constant(number) for number in (1, 2, 3)},
        "mixed": _mixed(),
        "words": _words(),
        "fraud": _pair([0, 1], [0.0, 0.01]),
        "fraud-2": _pair([0, 1], [0.0, 0.02]),
        "scenario": _pair([0, 1, 2, 3], [0.0, 0.01, 0.02, -0.01]),
        "trees": _trees(),
        "divides": _divides(),
        "without-signature": _linear([0.0, 1.0], None),
        "wrong-inputs": _linear([0.0, 1.0], _signature({"a": "number", "b": "number"})),
        "wrong-labels": _linear([0.0, 1.0, 2.0], _signature({"a": "number"})),
        "external-data": _external_data(),
        "unknown-operator": _unknown_operator(),
        "endless": _endless(),
    }


def _constant(number: int) -> bytes:
    """Says "v<number>" with 0.9, and 0.1 for the other, whatever the row."""
    zero = helper.make_node("Mul", ["numbers", "zero"], ["zeros"])
    add = helper.make_node("Add", ["zeros", "row"], ["probabilities"])
    label = helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0)
    rows = [_floats("zero", [1], [0.0]), _floats("row", [1, 2], [0.9, 0.1])]
    signature = _signature({"amount": "number"}, [f"v{number}", f"not v{number}"])
    return _saved([zero, add, label], 1, 0, 2, signature, rows)


def _mixed() -> bytes:
    """A feature of each type; the logit of `true` is amount + count + night, and 2 more where the country is
    "aa". What is not known counts as 0."""
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["unknown"]),
        helper.make_node("Where", ["unknown", "nothing", "numbers"], ["known"]),
        helper.make_node("ReduceSum", ["known", "last"], ["sum"], keepdims=1),
        *_is_word("aa", "aa"),
        helper.make_node("Mul", ["aa", "two"], ["bonus"]),
        helper.make_node("Add", ["sum", "bonus"], ["logit"]),
        helper.make_node("Neg", ["logit"], ["other"]),
        helper.make_node("Concat", ["other", "logit"], ["both"], axis=1),
        helper.make_node("Sigmoid", ["both"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    features = {"amount": "number", "count": "integer", "night": "boolean", "country": "text"}
    constants = [_last_axis(), _first_column(), _floats("nothing", [1], [0.0]), _floats("two", [1], [2.0])]
    return _saved(nodes, 3, 1, 2, _signature(features, [False, True]), constants)


def _words() -> bytes:
    """Texts alone: "yes" where the only word is "yes"."""
    nodes = [
        *_is_word("yes", "one"),
        helper.make_node("Sub", ["unit", "one"], ["other"]),
        helper.make_node("Concat", ["other", "one"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    signature = _signature({"word": "text"}, ["no", "yes"])
    return _saved(nodes, 0, 1, 2, signature, [_first_column(), _floats("unit", [1], [1.0])])


def _pair(labels: Sequence[int], weights: Sequence[float]) -> bytes:
    """Softmax of the amount, by a weight for each label; the hour counts for nothing."""
    weighted = [*weights, *[0.0] * len(weights)]
    nodes = [
        helper.make_node("MatMul", ["numbers", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    signature = _signature({"amount": "number", "hour": "integer"}, labels)
    return _saved(nodes, 2, 0, len(weights), signature, [_floats("weights", [2, len(weights)], weighted)])


def _trees() -> bytes:
    """One tree: amount <= 10 is 0 with 0.75, else 1 with 0.75; NaN goes right."""
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["numbers"],
        ["probabilities"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[10.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_missing_value_tracks_true=[0, 0, 0],
        target_treeids=[0, 0, 0, 0],
        target_nodeids=[1, 1, 2, 2],
        target_ids=[0, 1, 0, 1],
        target_weights=[0.75, 0.25, 0.25, 0.75],
        n_targets=2,
    )
    label = helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0)
    return _saved([node, label], 1, 0, 2, _signature({"amount": "number"}))


def _divides() -> bytes:
    """The odds are the amount divided by itself: no finite answer at 0."""
    nodes = [
        helper.make_node("Div", ["numbers", "numbers"], ["one"]),
        helper.make_node("Sub", ["one", "one"], ["zero"]),
        helper.make_node("Concat", ["zero", "one"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    return _saved(nodes, 1, 0, 2, _signature({"amount": "number"}))


def _external_data() -> bytes:
    """Its weights would be read from another file of the folder that the process runs in."""
    model = onnx.load_from_string(_pair([0, 1], [0.0, 0.01]))
    weights = model.graph.initializer[0]
    weights.ClearField("float_data")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "pyproject.toml"), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString(deterministic=True))


def _unknown_operator() -> bytes:
    node = helper.make_node("Read", ["numbers"], ["label", "probabilities"], domain="local.files")
    return _saved([node], 1, 0, 2, _signature({"a": "number"}))


def _endless() -> bytes:
    """A loop of 2^62 rounds before the answer."""
    inside = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["sum", "sum"], ["more"])],
        "inside",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["rounds", "", "numbers"], ["looped"], body=inside),
        helper.make_node("Concat", ["looped", "looped"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    rounds = helper.make_tensor("rounds", TensorProto.INT64, [], [1 << 62])
    return _saved(nodes, 1, 0, 2, _signature({"a": "number"}), [rounds])


def _linear(weights: Sequence[float], signature: str | None) -> bytes:
    nodes = [
        helper.make_node("MatMul", ["numbers", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    constants = [_floats("weights", [1, len(weights)], weights)]
    return _saved(nodes, 1, 0, len(weights), signature, constants)


def _is_word(word: str, output: str) -> list[Any]:
    """[n, 1]: 1 where the first text is that word."""
    return [
        helper.make_node("Gather", ["texts", "first"], ["text"], axis=1),
        helper.make_node(
            "OneHotEncoder", ["text"], [output], domain="ai.onnx.ml", cats_strings=[word], zeros=1
        ),
    ]


def _signature(features: Mapping[str, str], labels: Sequence[Any] = (0, 1)) -> str:
    told = [{"name": name, "type": kind} for name, kind in features.items()]
    return json.dumps({"features": told, "target": "target", "labels": list(labels)})


def _floats(name: str, shape: Sequence[int], values: Sequence[float]) -> Any:
    return helper.make_tensor(name, TensorProto.FLOAT, shape, values)


def _first_column() -> Any:
    return helper.make_tensor("first", TensorProto.INT64, [], [0])


def _last_axis() -> Any:
    return helper.make_tensor("last", TensorProto.INT64, [1], [1])


def _saved(
    nodes: Sequence[Any],
    numbers: int,
    texts: int,
    labels: int,
    signature: str | None,
    initializers: Sequence[Any] = (),
) -> bytes:
    inputs = []
    if numbers:
        inputs.append(helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, numbers]))
    if texts:
        inputs.append(helper.make_tensor_value_info("texts", TensorProto.STRING, [None, texts]))
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, labels]),
    ]
    graph = helper.make_graph(list(nodes), "small", inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR, producer_name="tests")
    if signature is not None:
        helper.set_model_props(model, {"signature": signature})
    return bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in small_models().items():
        (folder / f"{name}.onnx").write_bytes(content)


if __name__ == "__main__":
    main()
