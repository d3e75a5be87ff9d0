"""A fitted pipeline as ONNX, by the contract of gateway.training.facts.Signature.

Written out by us, not by skl2onnx, whose files answered otherwise than the model: it leaves out where forests
send missing values (339 labels of 3000) and breaks ties (see exact.py). Linear models are computed in double,
as scikit-learn does; trees in float32, which is exact after exact.make_exact().
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
from onnx import TensorProto
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from gateway.adapters.fitting.encoding import kept
from gateway.adapters.fitting.graph import Graph
from gateway.adapters.fitting.size import MOST_BYTES, TOO_LARGE, check_model
from gateway.adapters.fitting.trees import boosted_sums, forest_shares
from gateway.training.facts import ColumnType, Signature
from gateway.training.ports import FitFailed
from gateway.training.signature import signature_json

_FLOAT, _DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE
_CLOSE = 1e-4  # probabilities
_TIED = 1e-12  # of a linear model's two best: which is first is then the order of adding
_BATCH = 10_000  # rows
_ROWS = 100  # that are timed one by one


def export(pipeline: Any, signature: Signature, model_class: str, most_bytes: int = MOST_BYTES) -> bytes:
    """`pipeline`: the steps `columns` (by encoding.py) and `model`, fitted on labels 0, 1, ... and exact.
    The same bytes for the same pipeline. Raises FitFailed when they are more than most_bytes."""
    model = pipeline["model"]
    check_model(model, most_bytes)
    write, kind = _WRITERS[type(model)]
    graph = Graph()
    write(graph, model, _columns(graph, pipeline["columns"], signature, kind))
    metadata = {"signature": signature_json(signature), "model_class": model_class}
    data = graph.model(len(signature.labels), metadata)
    if len(data) > most_bytes:
        raise FitFailed("too_large", TOO_LARGE)
    return data


def feeds(signature: Signature, table: pl.DataFrame) -> dict[str, Any]:
    """A table's rows as the file's inputs."""
    numbers = [one.name for one in signature.features if one.type is not ColumnType.TEXT]
    texts = [one.name for one in signature.features if one.type is ColumnType.TEXT]
    told: dict[str, Any] = {}
    if numbers:
        told["numbers"] = table.select(pl.col(numbers).cast(pl.Float32).fill_null(float("nan"))).to_numpy()
    if texts:
        told["texts"] = np.asarray(table.select(pl.col(texts).fill_null("")).to_numpy(), dtype=object)
    return told


def row_cost_ms(data: bytes, signature: Signature, table: pl.DataFrame) -> float:
    """CPU time of one row alone, the least mean of five rounds."""
    session = _session(data)
    rows = [feeds(signature, one) for one in table.head(_ROWS).iter_slices(1)]
    rounds = []
    for _ in range(5):
        began = time.thread_time()
        for row in rows:
            session.run(["label", "probabilities"], row)
        rounds.append((time.thread_time() - began) / len(rows))
    return min(rounds) * 1000


def check_parity(data: bytes, pipeline: Any, signature: Signature, table: pl.DataFrame) -> float:
    """The file answers as the pipeline does: the same labels, probabilities within 1e-4. Returns the largest
    difference. Raises FitFailed."""
    session = _session(data)
    largest = 0.0
    for rows in table.iter_slices(_BATCH):
        expected = pipeline.predict_proba(rows)
        label, probabilities = session.run(["label", "probabilities"], feeds(signature, rows))
        difference = float(np.abs(probabilities - expected).max())
        others = label != pipeline.predict(rows)
        two = np.sort(expected[others], axis=1)[:, -2:]
        # not <=: a NaN is a difference too
        if not difference <= _CLOSE or (two[:, 1] - two[:, 0] > _TIED).any():
            raise FitFailed("parity", "The exported model answers otherwise than the fitted one.")
        largest = max(largest, difference)
    return largest


def _session(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _columns(graph: Graph, columns: Any, signature: Signature, kind: int) -> str:
    """The pipeline's first step: [n, encoded columns] of the kind that the model computes in."""
    parts = []
    if numbers := [one.name for one in signature.features if one.type is not ColumnType.TEXT]:
        value = graph.input("numbers", _FLOAT, len(numbers))
        transformer, names = kept(columns, "numbers")
        if names:
            parts.append(_numbers(graph, transformer, value, [numbers.index(name) for name in names], kind))
    if texts := [one.name for one in signature.features if one.type is ColumnType.TEXT]:
        value = graph.input("texts", TensorProto.STRING, len(texts))
        encoder, names = kept(columns, "texts")
        for name, categories in zip(names, encoder.categories_ if names else (), strict=True):
            parts.append(_one_hot(graph, value, texts.index(name), categories, kind))
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _numbers(graph: Graph, transformer: Any, value: str, places: Sequence[int], kind: int) -> str:
    """Imputed, with a column that says so for each that had gaps; scaled where the pipeline scales."""
    steps = [step for _, step in transformer.steps] if isinstance(transformer, Pipeline) else [transformer]
    real = np.float32 if kind == _FLOAT else np.float64
    value = graph.add("Gather", value, graph.constant(np.asarray(places, np.int64)), axis=1)
    value = value if kind == _FLOAT else graph.cast(value, kind)
    if not isinstance(steps[0], SimpleImputer):
        return value
    imputer, *scalers = steps
    missing = graph.add("IsNaN", value)
    value = graph.add("Where", missing, graph.constant(imputer.statistics_.astype(real)), value)
    gaps = imputer.indicator_.features_
    if len(gaps):
        told = graph.cast(graph.add("Gather", missing, graph.constant(gaps.astype(np.int64)), axis=1), kind)
        value = graph.add("Concat", value, told, axis=1)
    for scaler in scalers:
        value = graph.add("Sub", value, graph.constant(scaler.mean_.astype(real)))
        value = graph.add("Div", value, graph.constant(scaler.scale_.astype(real)))
    return value


def _one_hot(graph: Graph, texts: str, place: int, categories: Sequence[str], kind: int) -> str:
    column = graph.add("Gather", texts, graph.constant(np.int64(place)), axis=1)
    hot = graph.add("OneHotEncoder", column, cats_strings=[*map(str, categories)], zeros=1)
    return hot if kind == _FLOAT else graph.cast(hot, kind)


def _logistic(graph: Graph, model: Any, matrix: str) -> None:
    raw = _linear(graph, model, matrix)
    if len(model.classes_) == 2:
        _signed(graph, raw, _DOUBLE)
    else:
        graph.add("ArgMax", raw, output="label", axis=1, keepdims=0)
        graph.cast(graph.add("Softmax", raw, axis=1), _FLOAT, "probabilities")


def _calibrated(graph: Graph, model: Any, matrix: str) -> None:
    """Platt's sigmoid over each margin; of more than two classes each one's share of the sum, and where all
    underflow to 0 none is likelier than another (sklearn/calibration.py)."""
    (calibrated,) = model.calibrated_classifiers_
    raw = _linear(graph, calibrated.estimator, matrix)
    slope = graph.constant([one.a_ for one in calibrated.calibrators])
    shift = graph.constant([one.b_ for one in calibrated.calibrators])
    one = graph.add("Sigmoid", graph.add("Neg", graph.add("Add", graph.add("Mul", raw, slope), shift)))
    if len(model.classes_) == 2:
        shares = graph.add("Concat", graph.add("Sub", graph.constant(1.0), one), one, axis=1)
    else:
        total = graph.add("ReduceSum", one, graph.constant([1]), keepdims=1)
        none = graph.add("Equal", total, graph.constant(0.0))
        equal = graph.constant(1.0 / len(model.classes_))
        shares = graph.add("Where", none, equal, graph.add("Div", one, total))
    graph.add("ArgMax", shares, output="label", axis=1, keepdims=0)
    graph.cast(shares, _FLOAT, "probabilities")


def _linear(graph: Graph, model: Any, matrix: str) -> str:
    weighted = graph.add("MatMul", matrix, graph.constant(np.ascontiguousarray(model.coef_.T, np.float64)))
    return graph.add("Add", weighted, graph.constant(np.asarray(model.intercept_, np.float64).reshape(-1)))


def _signed(graph: Graph, raw: str, kind: int) -> None:
    """Two classes by one sum [n, 1]: the second where it is above 0."""
    real = np.float32 if kind == _FLOAT else np.float64
    above = graph.add("Greater", raw, graph.constant(real(0)))
    graph.cast(graph.add("Squeeze", above, graph.constant([1])), TensorProto.INT64, "label")
    # In double: the float32 sigmoid of ONNX Runtime is an approximation.
    one = graph.add("Sigmoid", raw if kind == _DOUBLE else graph.cast(raw, _DOUBLE))
    both = graph.add("Concat", graph.add("Sub", graph.constant(1.0), one), one, axis=1)
    graph.cast(both, _FLOAT, "probabilities")


def _forest(graph: Graph, model: Any, matrix: str) -> None:
    trees = getattr(model, "estimators_", [model])
    sums = forest_shares(graph, [one.tree_ for one in trees], matrix)
    graph.add("ArgMax", sums, output="label", axis=1, keepdims=0)
    graph.add("Div", sums, graph.constant(np.float32(len(trees))), output="probabilities")


def _boosted(graph: Graph, model: Any, matrix: str) -> None:
    raw = boosted_sums(graph, model, matrix)
    if len(model.classes_) == 2:
        _signed(graph, raw, _FLOAT)
    else:
        graph.add("ArgMax", raw, output="label", axis=1, keepdims=0)
        graph.cast(graph.add("Softmax", graph.cast(raw, _DOUBLE), axis=1), _FLOAT, "probabilities")


_WRITERS: Mapping[type, tuple[Callable[[Graph, Any, str], None], int]] = {
    LogisticRegression: (_logistic, _DOUBLE),
    CalibratedClassifierCV: (_calibrated, _DOUBLE),
    DecisionTreeClassifier: (_forest, _FLOAT),
    RandomForestClassifier: (_forest, _FLOAT),
    ExtraTreesClassifier: (_forest, _FLOAT),
    HistGradientBoostingClassifier: (_boosted, _FLOAT),
}
