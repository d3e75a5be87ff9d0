"""int8 for the encoder's matrix products, and how faithful it is.

Dynamic quantisation per channel with 7-bit weights (`reduce_range`: with 8 bits AVX2's multiply-add
saturates). Alone it is too rough for MiniLM (cosine to fp32 down to 0.965), for two reasons, mended first:

- a few channels of the activations are far larger than the rest and spoil the scale that all share. Xiao et
  al. 2022, "SmoothQuant", equation 4: divide channel j by s_j = max|x_j|^a / max|w_j|^(1-a) and multiply the
  weights' row j by it; the product is the same. The maxima come from CALIBRATION.
- the feed-forward output (GELU's long tail times a wide row) is the roughest product; it stays in float32.

Activations share one scale per batch, so a text's vector depends a little on its company.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from embeddings.encoder import Encoder, Ids
from embeddings.source import Source

_ALPHA = 0.65  # of 0.5, 0.65 and 0.8 the most faithful for MiniLM

# Both lists are of our own making: short and long, English and Russian, code, numbers, a shout, a shrug.
CALIBRATION = (
    "The quick brown fox jumps over the lazy dog.",
    "Сортировка слиянием работает за n log n и устойчива.",
    "No, because the force is zero then.",
    "Энергия сохраняется, если нет трения.",
    "import os\nfor name in os.listdir('.'):\n    print(name)",
    "Evaporation cools, since the fastest molecules leave first and the mean kinetic energy falls. " * 4,
    "I have no idea",
    "да",
    "1 + 1 = 2",
    "Democracy depends on an informed public and on institutions which hold those in power to account.",
)
PROBE = (
    "Yes.",
    "ok",
    "I do not know the answer to this question, sorry.",
    "Не знаю.",
    "The gradient of a scalar field points in the direction of steepest ascent.",
    "Binary search halves the interval at every step, so it needs about log2(n) comparisons.",
    "Двоичный поиск на каждом шаге делит отрезок пополам, поэтому сравнений нужно порядка log n.",
    "Water boils at 100 °C at sea level because its vapour pressure then equals the pressure of the air.",
    "Вода кипит при 100 °C, потому что давление её пара сравнивается с атмосферным.",
    "def area(r):\n    return 3.14159 * r ** 2  # площадь круга",
    "SELECT name, AVG(score) FROM answers GROUP BY name HAVING AVG(score) > 4.5;",
    "WIN A FREE PRIZE!!! Click here now, limited offer, 100% real",
    "Сила трения направлена против движения, поэтому её работа отрицательна, а кинетическая энергия убывает.",
    "42 = 6 * 7, 0.1 + 0.2 != 0.3",
    "The plant takes in carbon dioxide and water, and with the energy of light it makes sugar and oxygen. "
    * 5,
    "Сначала отсортируем массив, потом для каждого запроса найдём место вставки, а ответы сложим. " * 5,
)


def int8_of(source: Source, exact: bytes) -> bytes:
    """The quantised graph of an fp32 one."""
    model = onnx.load_model_from_string(exact)
    ids = Encoder(source, exact, max_tokens=source.max_tokens).tokens(CALIBRATION, truncate=True)
    products = _products(model)
    _smooth(model, products, _largest(model, {node.input[0] for node in products}, ids))
    kept = [node.name for node in products if _is_feed_forward_output(node.input[1])]
    return with_int8_products(model, kept)


def with_int8_products(model: onnx.ModelProto, kept: list[str]) -> bytes:
    """The graph with its matrix products in int8, but for the nodes `kept` as they are."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, before)
        quantize_dynamic(
            before,
            after,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
        )
        return after.read_bytes()


def _products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The matrix products with weights; those of attention between activations are none."""
    constant = {one.name for one in model.graph.initializer}
    return [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in constant]


def _is_feed_forward_output(weight: str) -> bool:
    return weight.endswith(".output.dense.weight") and ".attention." not in weight


def _largest(model: onnx.ModelProto, names: set[str], batch: Iterable[Ids]) -> dict[str, NDArray[np.float32]]:
    """The largest magnitude in each channel of the named activations, over the texts."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    wanted = sorted(names)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted]
    watched.graph.output.extend(outputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more would spin against whatever else the machine does
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: dict[str, NDArray[np.float32]] = {}
    for text in batch:
        ids = np.array([text], np.int64)
        values = session.run(wanted, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        for name, value in zip(wanted, values, strict=True):
            largest = np.abs(value).max(axis=(0, 1))
            found[name] = np.maximum(found.get(name, largest), largest)
    return found


def _smooth(
    model: onnx.ModelProto, products: list[onnx.NodeProto], largest: dict[str, NDArray[np.float32]]
) -> None:
    """Moves the outliers of each activation into the weights that it meets; query, key and value meet one."""
    constants = {one.name: one for one in model.graph.initializer}
    before: dict[str, onnx.NodeProto] = {}  # name of a product -> the division in front of it
    for name, x in largest.items():
        readers = [node for node in products if node.input[0] == name]
        weights = [numpy_helper.to_array(constants[node.input[1]]) for node in readers]
        w = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0)
        scale = np.maximum(x, 1e-5) ** _ALPHA / np.maximum(w, 1e-5) ** (1 - _ALPHA)
        scale = (scale / np.exp(np.log(scale).mean())).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(1 / scale, f"smooth {name}"))
        smoothed = f"{name} smoothed"
        before[readers[0].name] = helper.make_node("Mul", [name, f"smooth {name}"], [smoothed], smoothed)
        for node, weight in zip(readers, weights, strict=True):
            changed = numpy_helper.from_array(weight * scale[:, None], node.input[1])
            constants[node.input[1]].CopyFrom(changed)
            node.input[0] = smoothed
    ordered = [one for node in model.graph.node for one in (before.get(node.name), node) if one is not None]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def fidelity_of(source: Source, exact: bytes, quantised: bytes) -> float:
    """The least cosine between the two encoders' vectors over PROBE, each text alone and all together."""
    one, other = (Encoder(source, content, max_tokens=source.max_tokens) for content in (exact, quantised))
    ids = one.tokens(PROBE, truncate=True)
    reference = one.vectors(ids)
    alone = [float(other.vectors([text])[0] @ vector) for text, vector in zip(ids, reference, strict=True)]
    together = (other.vectors(ids) * reference).sum(axis=1)
    return min(*alone, float(together.min()))
