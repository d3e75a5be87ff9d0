"""The trained network as an ONNX graph with int8 weights: no torch where it runs.

The encoder's part is embeddings.graph's; here come the spellings' table, the tags and the precision. Weights
of the matrix products are int8 per output channel (7 bits: with 8 AVX2's multiply-add saturates), their
inputs are quantised as they come; the words' table is int8 with a scale for each row.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from embeddings.graph import Shape, encoder
from embeddings.quantize import with_int8_products

_WORDS = "embeddings.word_embeddings.weight"
_INPUTS = ("input_ids", "spellings", "attention_mask")

Weights = Mapping[str, NDArray[np.float32]]


def graph(
    weights: Weights,
    spellings: NDArray[np.float32],
    head: tuple[NDArray[np.float32], NDArray[np.float32]],
    layers: int,
    heads: int,
) -> onnx.ModelProto:
    """Inputs int64 [batch, length]; `tags`: float32 [batch, length, tags], probabilities. `weights` are
    BertModel's; `head` is the [width, tags] kernel and the [tags] bias."""
    made = encoder(Shape(layers=layers, heads=heads, eps=1e-12, pooling="mean", first_position=0), weights)
    nodes = [*made.graph.node]
    at, lookup = next((i, n) for i, n in enumerate(nodes) if n.op_type == "Gather" and n.input[0] == _WORDS)
    word, known = lookup.output[0], {one.name: one for one in made.graph.initializer}
    rows = numpy_helper.to_array(known.pop(_WORDS))
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / 127, 1e-8).astype(np.float32)
    constants = {
        "words": np.round(rows / scale).astype(np.int8),
        "words scale": scale,
        "spellings table": spellings.astype(np.float32),
        "head kernel": head[0].astype(np.float32),
        "head bias": head[1].astype(np.float32),
    }
    nodes[at : at + 1] = [
        helper.make_node("Gather", ["words", "input_ids"], ["word int8"], "word int8"),
        helper.make_node("Cast", ["word int8"], ["word float"], "word float", to=TensorProto.FLOAT),
        helper.make_node("Gather", ["words scale", "input_ids"], ["word scale"], "word scale"),
        helper.make_node("Mul", ["word float", "word scale"], ["word"], "word"),
        helper.make_node("Gather", ["spellings table", "spellings"], ["spelt"], "spelt"),
        helper.make_node("Add", ["word", "spelt"], [word], "word and spelling"),
    ]
    nodes += [
        helper.make_node("MatMul", ["token_embeddings", "head kernel"], ["scores"], "head"),
        helper.make_node("Add", ["scores", "head bias"], ["logits"], "logits"),
        helper.make_node("Softmax", ["logits"], ["tags"], "tags", axis=-1),
    ]
    nodes = _needed(nodes, "tags")
    used = {name for node in nodes for name in node.input}
    initializers = [one for name, one in known.items() if name in used]
    initializers += [numpy_helper.from_array(value, name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in _INPUTS]
    output = helper.make_tensor_value_info("tags", TensorProto.FLOAT, ["batch", "length", len(head[1])])
    whole = helper.make_graph(nodes, "name_tagger", inputs, [output], initializers)
    return helper.make_model(
        whole, opset_imports=made.opset_import, ir_version=made.ir_version, producer_name="grading-gateway"
    )


def _needed(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """What `output` depends on, in order."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted & {*node.output}:
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def quantised(exact: onnx.ModelProto) -> bytes:
    """The graph with int8 products. The head stays float32."""
    return with_int8_products(exact, ["head"])
