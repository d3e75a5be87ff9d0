"""Heads of a few hundred numbers for the tiny encoder, written as the training writes real ones."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from embeddings import ngrams
from tests.embeddings import tiny

LABELS = ("correct", "contradictory", "incorrect")
WIDE = {"buckets": 4096, "low": 5, "high": 5}
FOUND = "right"  # the word that the classifier looks for
FORWARD = np.random.default_rng(5).normal(0, 1, (tiny.HIDDEN, 2)).astype(np.float32)


def classifier(where: Path, digest: str, folder: str = "sorter", **changes: Any) -> Path:
    """By the vector alone; with n-grams "marked" where FOUND stands, and "plain" elsewhere."""
    manifest = _manifest(folder, "classification", ["plain", "marked"], digest)
    manifest |= {"ngrams": None, "window": None, "review_below": 0.75, "threshold": 0.5}
    content = _by_words(**changes) if changes.get("ngrams") else _by_vector(FORWARD)
    return write(where / folder, manifest | changes, {"head.onnx": content})


def grader(
    where: Path, digest: str, folder: str = "grader", *, width: int = tiny.HIDDEN, **changes: Any
) -> Path:
    """The more of the reference's words the answer has, the likelier it is right."""
    kernel = np.zeros((50, 3), np.float32)
    kernel[10, 0] = 6  # the share of the reference's words that the answer has
    bias = np.array([-3, -5, 0], np.float32)
    rules = {
        "courses": ["one"],
        "known_from": 2.0,
        "network_share": 0.5,
        "sharpness": 1.0,
        "temperature_known": 1.0,
        "temperature_new": 1.0,
        "foreign_above": 1.0,
        "temperature_letters": 1.0,
        "contradiction": 1.0,
        "review_below": 0.7,
    }
    gate = io.BytesIO()
    known = np.ones((1, width), np.float32)
    np.savez(
        gate,
        questions=known,
        references=known,
        courses=np.zeros(1, np.int64),
        rarity=np.ones(128, np.float32),  # [UNK] is BERT's, 100
    )
    trees = _softmax_of(
        [_node("Gemm", ["features", "kernel", "bias"], "scores")], {"features": 50}, kernel, bias
    )
    files = {
        "grader.json": json.dumps(rules).encode(),
        "gate.npz": gate.getvalue(),
        "network.onnx": trees,  # never asked: nothing is known so well
        "trees-one.onnx": trees,
        "trees-letters.onnx": trees,
    }
    manifest = _manifest(folder, "grading", list(LABELS), digest) | {"max_tokens": 40}
    return write(where / folder, manifest | changes, files)


def encoder_of(folder: Path) -> str:
    """What a head says of the encoder in this folder."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def write(folder: Path, manifest: dict[str, Any], files: dict[str, bytes]) -> Path:
    """The folder; returns the one that holds it, as EMBEDDINGS_HEADS wants it."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (folder / "head.json").write_text(json.dumps({"files": digests} | manifest))
    return folder.parent


def _manifest(name: str, task: str, labels: list[str], digest: str) -> dict[str, Any]:
    return {
        "format": 1,
        "name": name,
        "version": "1.2.3",
        "task": task,
        "labels": labels,
        "encoder": {"name": "tiny", "sha256": digest},
        "max_tokens": 16,
    }


def _by_vector(kernel: NDArray[np.float32]) -> bytes:
    bias = np.zeros(2, np.float32)
    node = _node("Gemm", ["encoded", "kernel", "bias"], "scores")
    return _softmax_of([node], {"encoded": tiny.HIDDEN}, kernel, bias)


def _by_words(*, deep: bool = True, style: bool = False, **_: Any) -> bytes:
    table = np.zeros((WIDE["buckets"], 2), np.float32)
    table[ngrams.buckets(FOUND, count=WIDE["buckets"], low=5, high=5), 1] = 100
    nodes = [
        _node("Gather", ["table", "buckets"], "rows"),
        _node("Unsqueeze", ["weights", "first"], "row"),
        _node("MatMul", ["row", "rows"], "wide"),
        _node("Add", ["wide", "bias"], "scores"),
    ]
    inputs: dict[str, int | None] = {"buckets": None, "weights": None}
    inputs |= ({"encoded": tiny.HIDDEN} if deep else {}) | ({"numbers": 17} if style else {})
    bias = np.array([3, 0], np.float32)
    return _softmax_of(nodes, inputs, None, bias, table=table, first=np.array([0], np.int64))


def _softmax_of(
    nodes: list[onnx.NodeProto],
    inputs: Any,
    kernel: NDArray[np.float32] | None,
    bias: NDArray[np.float32],
    **constants: NDArray[Any],
) -> bytes:
    constants |= {"bias": bias} | ({} if kernel is None else {"kernel": kernel})
    graph = helper.make_graph(
        [*nodes, _node("Softmax", ["scores"], "probabilities")],
        "head",
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.INT64 if name == "buckets" else TensorProto.FLOAT,
                ["n"] if size is None else [1, size],
            )
            for name, size in inputs.items()
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(bias)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = made.SerializeToString()
    return content


def _node(kind: str, inputs: list[str], output: str) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output])
