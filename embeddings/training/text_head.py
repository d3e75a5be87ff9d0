"""A trained classifier -> head.onnx, compared with torch before it is given away."""

import logging

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from embeddings.errors import Unusable
from embeddings.training.config import Config
from embeddings.training.network import TextNetwork
from embeddings.training.settings import Settings

log = logging.getLogger("embeddings.training.export")
_OPSET, _IR_VERSION = 17, 8
_TOLERANCE = 2e-3  # of a probability: the table of n-grams is in half precision


def files(config: Config, settings: Settings) -> dict[str, bytes]:
    """head.onnx of a classifier whose encoder was frozen. Raises Unusable."""
    folder = settings.training_folder(config.name) / "model"
    if not (folder / "config.json").is_file():
        raise Unusable(f"{folder} has no model: run --stage train first")
    if config.head.deep and config.encoder.trainable != "none":
        raise Unusable(
            "only a model whose encoder was frozen can be a head: heads share the service's encoder"
        )
    network = TextNetwork.from_pretrained(folder, local_files_only=True).eval()
    content = _text_graph(network).SerializeToString()
    _compare(network, content)
    return {"head.onnx": content}


def _text_graph(network: TextNetwork) -> onnx.ModelProto:
    """The branches that the network has: `encoded` [1, width], `numbers` [1, 17], `buckets` and `weights`
    [k] -> `probabilities` [1, labels]. The table of n-grams is kept in half precision: its rounding is far
    below what one n-gram moves."""
    writer = _Writer()
    logits = writer.constant("bias", network.bias.detach().numpy()[None])
    if network.head is not None:
        logits = writer.op("Add", logits, _deep(writer, network.head))
    if network.style is not None:
        logits = writer.op("Add", logits, _style(writer, network))
    if network.wide is not None:
        logits = writer.op("Add", logits, _wide(writer, network.wide))
    temperature = writer.constant("temperature", np.array([network.config.logit_temperature], np.float32))
    writer.op("Softmax", writer.op("Div", logits, temperature), out="probabilities", axis=-1)
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, network.config.num_labels])
    ]
    graph = helper.make_graph(writer.nodes, "text_head", writer.inputs, outputs, writer.constants)
    opsets = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="grading-gateway"
    )


class _Writer:
    """Collects nodes, constants and inputs; each method returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def input(self, name: str, kind: int, shape: list[int | str]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def op(self, kind: str, *inputs: str, out: str = "", **attributes: object) -> str:
        out = out or f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def linear(self, name: str, x: str, layer: torch.nn.Linear) -> str:
        weight = self.constant(f"{name}.weight", layer.weight.detach().numpy().T.copy())
        return self.op("Gemm", x, weight, self.constant(f"{name}.bias", layer.bias.detach().numpy()))


def _deep(writer: _Writer, head: torch.nn.Sequential) -> str:
    layers = [layer for layer in head if isinstance(layer, torch.nn.Linear)]
    width = layers[0].in_features
    encoded = writer.input("encoded", TensorProto.FLOAT, [1, width])
    state = writer.op("Mul", encoded, writer.constant("scale", np.array([width**0.5], np.float32)))
    root, half, one = (
        writer.constant(name, np.array([value], np.float32))
        for name, value in (("root", 0.5**0.5), ("half", 0.5), ("one", 1.0))
    )
    for place, layer in enumerate(layers):
        state = writer.linear(f"deep{place}", state, layer)
        if place < len(layers) - 1:
            # GELU by the error function: x (1 + erf(x / sqrt 2)) / 2.
            shifted = writer.op("Add", writer.op("Erf", writer.op("Mul", state, root)), one)
            state = writer.op("Mul", writer.op("Mul", state, half), shifted)
    return state


def _style(writer: _Writer, network: TextNetwork) -> str:
    assert network.style is not None  # noqa: S101 - the caller looked
    numbers = writer.input("numbers", TensorProto.FLOAT, [1, network.style.in_features])
    centred = writer.op("Sub", numbers, writer.constant("mean", network.mean.numpy()))
    scaled = writer.op("Div", centred, writer.constant("deviation", network.deviation.numpy()))
    return writer.linear("style", scaled, network.style)


def _wide(writer: _Writer, table: torch.nn.EmbeddingBag) -> str:
    buckets = writer.input("buckets", TensorProto.INT64, ["ngrams"])
    weights = writer.input("weights", TensorProto.FLOAT, ["ngrams"])
    held = writer.constant("ngrams", table.weight.detach().numpy().astype(np.float16))
    rows = writer.op("Cast", writer.op("Gather", held, buckets), to=TensorProto.FLOAT)
    first = writer.constant("first", np.array([0], np.int64))
    return writer.op("MatMul", writer.op("Unsqueeze", weights, first), rows)


def _compare(network: TextNetwork, content: bytes) -> None:
    """Raises Unusable where ONNX Runtime and torch disagree on random inputs."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    worst = 0.0
    for _ in range(32):
        feed: dict[str, NDArray[np.generic]] = {}
        if network.config.encoder is not None:
            vector = draw.normal(size=(1, network.width)).astype(np.float32)
            feed["encoded"] = vector / np.linalg.norm(vector)
        if network.style is not None:
            feed["numbers"] = draw.normal(size=(1, network.style.in_features)).astype(np.float32)
        batch = {name: torch.from_numpy(value) for name, value in feed.items()}
        if network.wide is not None:
            count = int(draw.integers(1, 200))
            buckets = np.sort(draw.choice(network.wide.num_embeddings, count, replace=False)).astype(np.int64)
            weights = np.full(count, count**-0.5, np.float32)
            feed |= {"buckets": buckets, "weights": weights}
            batch |= {
                "buckets": torch.from_numpy(buckets),
                "offsets": torch.zeros(1, dtype=torch.long),
                "weights": torch.from_numpy(weights),
            }
        with torch.inference_mode():
            exact = (network(**batch) / network.config.logit_temperature).softmax(-1).numpy()
        worst = max(worst, float(np.abs(session.run(None, feed)[0] - exact).max()))
    log.info("largest difference to torch: %.1e", worst)
    if worst > _TOLERANCE:
        raise Unusable(f"the exported graph differs from the network by {worst:.1e}")
