"""A fitted detector as ONNX, by the contract of gateway.training.facts.Signature."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from onnx import TensorProto

from fraud.features import FEATURES
from fraud.signals import Rows, add_signals, with_signals
from fraud.simulator import Integers
from gateway.adapters.fitting.export import check_parity
from gateway.adapters.fitting.graph import Graph
from gateway.adapters.fitting.trees import boosted_sums
from gateway.training.facts import ColumnType, Feature, Signature
from gateway.training.signature import signature_json

_REAL = ("AMOUNT", "RISK")  # in the names of what is no count and no yes or no


def signature(target: str, labels: int) -> Signature:
    kinds = (
        ColumnType.NUMBER if any(word in name for word in _REAL) else ColumnType.INTEGER for name in FEATURES
    )
    return Signature(tuple(map(Feature, FEATURES, kinds)), target, tuple(range(labels)))


@dataclass(frozen=True, slots=True)
class Detector:
    """Boosted trees over the features and their signals."""

    model: Any  # sklearn.ensemble.HistGradientBoostingClassifier

    def predict_proba(self, rows: Rows | pl.DataFrame) -> NDArray[np.float64]:
        table = rows.to_numpy() if isinstance(rows, pl.DataFrame) else rows
        made: NDArray[np.float64] = self.model.predict_proba(with_signals(table))
        return made

    def predict(self, rows: Rows | pl.DataFrame) -> Integers:
        made: Integers = self.predict_proba(rows).argmax(axis=1)
        return made


def exported(detector: Detector, told: Signature) -> bytes:
    """The same detector gives the same bytes."""
    graph = Graph()
    rows = graph.input("numbers", TensorProto.FLOAT, len(told.features))
    sums = boosted_sums(graph, detector.model, add_signals(graph, rows))
    if len(told.labels) == 2:  # one sum; that of the honest is 0, which makes the softmax its sigmoid
        sums = graph.add("Concat", graph.add("Mul", sums, graph.constant(np.float32(0))), sums, axis=1)
    graph.add("ArgMax", sums, output="label", axis=1, keepdims=0)
    exact = graph.add("Softmax", graph.cast(sums, TensorProto.DOUBLE), axis=1)
    graph.cast(exact, TensorProto.FLOAT, "probabilities")
    return graph.model(
        len(told.labels), {"signature": signature_json(told), "model_class": "hist_gradient_boosting"}
    )


def checked(data: bytes, detector: Detector, told: Signature, rows: Rows) -> float:
    """How far the file's probabilities are from scikit-learn's, at most. Raises FitFailed above 1e-4."""
    table = pl.from_numpy(rows, schema=[feature.name for feature in told.features])
    return check_parity(data, detector, told, table)


def write(data: bytes, file: Path) -> None:
    """Whole or not at all: a gateway may be reading."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
