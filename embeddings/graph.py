"""A BERT sentence encoder as an ONNX graph, written from its weights: no torch on the way.

Architecture: Devlin et al. 2018, "BERT" (post-layer-norm transformer encoder, exact GELU); pooling: Reimers
and Gurevych 2019, "Sentence-BERT" (mean over the tokens under the mask, or the first token), then division by
the L2 norm. The parameters' names are those of Hugging Face's `BertModel` and `XLMRobertaModel`.

Input `input_ids`, `attention_mask`: int64 [batch, length], 1 = a token, 0 = padding on the right.
Output `embedding`: float32 [batch, hidden], unit length. `token_embeddings`: float32 [batch, length, hidden],
for heads that align words; it costs nothing unless it is asked for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET = 17
_IR_VERSION = 8
_FAR_BELOW = -1e9  # added to a padding token's score: after softmax exactly 0 in float32

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the weights cannot say themselves."""

    layers: int
    heads: int
    eps: float  # of the layer norms
    pooling: str  # "mean" or "cls"
    first_position: int  # 0; in the RoBERTa family the padding id + 1


class MissingWeight(Exception):
    """The file lacks a parameter of the architecture, or it has another shape."""


def encoder(shape: Shape, weights: Weights) -> onnx.ModelProto:
    """The graph. Raises MissingWeight."""
    return _Writer(shape, weights).model()


class _Writer:
    """Collects nodes and constants; each method returns the name of its result."""

    def __init__(self, shape: Shape, weights: Weights) -> None:
        self._shape = shape
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._prefix = next((p for p in ("", "bert.", "roberta.") if f"{p}{_WORDS}" in weights), "")
        self._hidden = int(self._weight(_WORDS).shape[1])
        if self._hidden % shape.heads:
            raise MissingWeight(f"{self._hidden} hidden units do not divide into {shape.heads} heads")

    def model(self) -> onnx.ModelProto:
        mask = self._op("Cast", "attention_mask", to=TensorProto.FLOAT)
        state = self._embeddings()
        scores_mask = self._scores_mask(mask)
        for layer in range(self._shape.layers):
            state = self._layer(f"encoder.layer.{layer}", state, scores_mask)
        self._op("Identity", state, result="token_embeddings")
        pooled = self._mean(state, mask) if self._shape.pooling == "mean" else self._first(state)
        norm = self._op("ReduceL2", pooled, axes=[1], keepdims=1)
        self._op("Div", pooled, self._op("Max", norm, self._number(1e-12)), result="embedding")
        ids = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in _INPUTS]
        outputs = [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", self._hidden]),
            helper.make_tensor_value_info(
                "token_embeddings", TensorProto.FLOAT, ["batch", "length", self._hidden]
            ),
        ]
        graph = helper.make_graph(
            self._nodes, "sentence_encoder", ids, outputs, list(self._constants.values())
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="grading-gateway"
        )

    # Steps of the architecture

    def _embeddings(self) -> str:
        words = self._op("Gather", self._constant(_WORDS, self._weight(_WORDS)), "input_ids")
        # Every text is a first segment, so the segment's row is the same for all positions: added here, once.
        segment = self._weight("embeddings.token_type_embeddings.weight")[0]
        table = self._weight("embeddings.position_embeddings.weight")[self._shape.first_position :] + segment
        length = self._op("Shape", "input_ids", start=1, end=2)
        positions = self._op(
            "Slice", self._constant("positions", table), self._integers(0), length, self._integers(0)
        )
        return self._norm("embeddings.LayerNorm", self._op("Add", words, positions))

    def _scores_mask(self, mask: str) -> str:
        """[batch, 1, 1, length]: 0 at tokens, far below 0 at padding."""
        padding = self._op("Sub", self._number(1.0), mask)
        return self._op("Unsqueeze", self._op("Mul", padding, self._number(_FAR_BELOW)), self._integers(1, 2))

    def _layer(self, name: str, state: str, scores_mask: str) -> str:
        context = self._attention(f"{name}.attention.self", state, scores_mask)
        context = self._dense(f"{name}.attention.output.dense", context)
        state = self._norm(f"{name}.attention.output.LayerNorm", self._op("Add", context, state))
        inner = self._gelu(self._dense(f"{name}.intermediate.dense", state))
        inner = self._dense(f"{name}.output.dense", inner)
        return self._norm(f"{name}.output.LayerNorm", self._op("Add", inner, state))

    def _attention(self, name: str, state: str, scores_mask: str) -> str:
        """softmax(q k' / sqrt(d) + mask) v for each head of d units."""
        d = self._hidden // self._shape.heads
        # The scale sits in the query's weights: one pass over the scores less.
        query = self._heads(self._dense(f"{name}.query", state, scale=1 / math.sqrt(d)), (0, 2, 1, 3))
        key = self._heads(self._dense(f"{name}.key", state), (0, 2, 3, 1))
        value = self._heads(self._dense(f"{name}.value", state), (0, 2, 1, 3))
        scores = self._op("Add", self._op("MatMul", query, key), scores_mask)
        context = self._op("MatMul", self._op("Softmax", scores, axis=-1), value)
        context = self._op("Transpose", context, perm=[0, 2, 1, 3])
        return self._op("Reshape", context, self._integers(0, 0, self._hidden))

    def _heads(self, flat: str, order: tuple[int, ...]) -> str:
        """[batch, length, hidden] -> [batch, length, head, d], transposed to `order`."""
        heads = self._shape.heads
        split = self._op("Reshape", flat, self._integers(0, 0, heads, self._hidden // heads))
        return self._op("Transpose", split, perm=list(order))

    def _dense(self, name: str, x: str, *, scale: float = 1.0) -> str:
        # Hugging Face keeps [out, in]; MatMul wants [in, out].
        kernel = np.ascontiguousarray(self._weight(f"{name}.weight").T * np.float32(scale))
        bias = self._weight(f"{name}.bias") * np.float32(scale)
        product = self._op("MatMul", x, self._constant(f"{name}.weight", kernel))
        return self._op("Add", product, self._constant(f"{name}.bias", bias))

    def _norm(self, name: str, x: str) -> str:
        gain = self._constant(f"{name}.weight", self._weight(f"{name}.weight"))
        bias = self._constant(f"{name}.bias", self._weight(f"{name}.bias"))
        return self._op("LayerNormalization", x, gain, bias, axis=-1, epsilon=self._shape.eps)

    def _gelu(self, x: str) -> str:
        """x / 2 (1 + erf(x / sqrt 2)), in the order that ONNX Runtime knows to fuse."""
        error = self._op("Erf", self._op("Div", x, self._number(math.sqrt(2))))
        whole = self._op("Mul", x, self._op("Add", error, self._number(1.0)))
        return self._op("Mul", whole, self._number(0.5))

    def _mean(self, state: str, mask: str) -> str:
        weight = self._op("Unsqueeze", mask, self._integers(2))
        total = self._op("ReduceSum", self._op("Mul", state, weight), self._integers(1), keepdims=0)
        count = self._op("ReduceSum", mask, self._integers(1), keepdims=1)
        return self._op("Div", total, self._op("Max", count, self._number(1e-9)))

    def _first(self, state: str) -> str:
        return self._op("Gather", state, self._constant("zero", np.array(0, np.int64)), axis=1)

    # Writing

    def _op(self, kind: str, *inputs: str, result: str | None = None, **attributes: Any) -> str:
        result = result or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [result], name=result, **attributes))
        return result

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(value, name)
        return name

    def _number(self, value: float) -> str:
        return self._constant(f"number {value!r}", np.array(value, np.float32))

    def _integers(self, *values: int) -> str:
        return self._constant(f"integers {values}", np.array(values, np.int64))

    def _weight(self, name: str) -> NDArray[np.float32]:
        value = self._weights.get(self._prefix + name)
        if value is None:
            raise MissingWeight(f"the weights have no {name}")
        return value.astype(np.float32, copy=False)


_WORDS = "embeddings.word_embeddings.weight"
_INPUTS = ("input_ids", "attention_mask")
