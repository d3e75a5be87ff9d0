"""A training that is over, without the training: facts, and a folder as a fit leaves it."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from gateway.training.facts import (
    Column,
    ColumnType,
    DatasetVersion,
    Feature,
    JobState,
    Signature,
    Table,
    TableFormat,
    TrainingJob,
    TrainingRequest,
)
from gateway.training.ports import Fitted
from gateway.training.signature import signature_json

SIGNATURE = Signature(
    (Feature("amount", ColumnType.NUMBER), Feature("night", ColumnType.BOOLEAN)), "fraud", (0, 1)
)
# One pixel.
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000"
    "0500017a5eabd40000000049454e44ae426082"
)
_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def job(number: int, model: str = "churn", promote: bool = True) -> TrainingJob:
    request = TrainingRequest(
        model=model,
        model_class="logistic_regression",
        dataset="people",
        dataset_version=3,
        target="fraud",
        features=("amount", "night"),
        hyperparameters={"C": 0.5},
        promote=promote,
    )
    return TrainingJob(f"job_{number:032x}", "key-1", request, _AT, JobState.RUNNING)


def data() -> DatasetVersion:
    columns = tuple(Column(name, ColumnType.NUMBER, 0, 2) for name in ("amount", "night", "fraud"))
    table = Table(TableFormat.CSV, "a" * 64, 100, 40, columns, 0)
    return DatasetVersion("people", 3, _AT, "key-1", "fraud", table, dvc_hash="d" * 32)


def fitted(folder: Path, seed: int = 0) -> Fitted:
    """`seed`: another one, other weights."""
    folder.mkdir(parents=True)
    sha256 = write_model(folder / "model.onnx", signature_json(SIGNATURE), seed)
    (folder / "model.skops").write_bytes(b"PK\x03\x04 as skops writes it")
    (folder / "report.json").write_text('{"rows": 40}')
    (folder / "confusion.png").write_bytes(_PNG)
    metrics = {"test/accuracy": 0.9, "test/auc": float("nan")}
    return Fitted(folder, sha256, SIGNATURE, metrics, {"C": 0.5, "solver": "lbfgs", "tol": 1e-4})


def write_model(file: Path, signature: str | None, seed: int = 0) -> str:
    """Returns its hash. Without a signature it is nobody's."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["numbers", "bias"], ["probabilities"])],
        "g",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor("bias", TensorProto.FLOAT, [2], [float(seed), 1.0])],
    )
    model = helper.make_model(graph)
    if signature is not None:
        helper.set_model_props(model, {"signature": signature})
    onnx.save(model, str(file))
    return hashlib.sha256(file.read_bytes()).hexdigest()
