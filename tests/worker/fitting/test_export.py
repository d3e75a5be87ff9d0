"""The exported file answers as the fitted pipeline does, on data that is made to tell them apart."""

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from gateway.adapters.fitting import estimators
from gateway.adapters.fitting.encoding import columns, encoded_target, features_frame
from gateway.adapters.fitting.estimators import calibrated, estimator, fit_estimator
from gateway.adapters.fitting.exact import floor32, make_exact
from gateway.adapters.fitting.export import check_parity, export, feeds
from gateway.adapters.fitting.size import check_model, check_size
from gateway.adapters.fitting.table import TABLE
from gateway.adapters.onnx_check import elements_of_a_row
from gateway.adapters.onnx_trees import DEEPEST
from gateway.training.facts import ColumnType, Feature, Signature
from gateway.training.ports import FitFailed
from gateway.training.signature import read_signature

SMALL: Mapping[str, Mapping[str, object]] = {
    "random_forest": {"n_estimators": 30},
    "extra_trees": {"n_estimators": 30},
    "hist_gradient_boosting": {"max_iter": 30, "min_samples_leaf": 2},
    "logistic_regression": {"C": 1e6},
}
TYPES = {
    pl.Float64: ColumnType.NUMBER,
    pl.Int64: ColumnType.INTEGER,
    pl.Boolean: ColumnType.BOOLEAN,
    pl.String: ColumnType.TEXT,
}


def nasty(rows: int = 600) -> pl.DataFrame:
    """Halves and thirds that tie, neighbours in float32, magnitudes, gaps, more texts than are kept."""
    rng = np.random.default_rng(1)
    neighbours = np.float32(0.1) + np.arange(-3, 4) * np.spacing(np.float32(0.1))
    frame = pl.DataFrame(
        {
            "tie": rng.integers(0, 2, rows),
            "near": rng.choice(neighbours, rows).astype(np.float64),
            "huge": rng.choice([1e30, -1e30, 3e38, 1e-38, 0.0], rows),
            "long": rng.integers(0, 5, rows) + 2**53,
            "yes": rng.random(rows) < 0.5,
            "text": rng.choice([f"word {number}" for number in range(150)] + ["Ä", "\U0001f600", " "], rows),
            "constant": np.ones(rows),
            "never": pl.Series([None] * rows, dtype=pl.Float64),
            "wordless": pl.Series([None] * rows, dtype=pl.String),
        }
    )
    gap = pl.Series(rng.random(rows) < 0.2)
    return frame.with_columns(
        pl.when(gap).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("near", "long", "yes", "text")
    )


def learnt(name: str, table: pl.DataFrame, labels: int) -> tuple[Pipeline, Signature, pl.DataFrame]:
    """A fitted, exact pipeline, its signature, and the rows as it takes them; labels are half chance."""
    rng = np.random.default_rng(2)
    noise = rng.integers(0, labels, len(table))
    target = np.where(rng.random(len(table)) < 0.5, noise, table["tie"].to_numpy() % labels)
    y, found = encoded_target(pl.Series(target))
    features = tuple(Feature(one, TYPES[type(kind)]) for one, kind in table.schema.items())
    rows = features_frame(table, features)
    step = columns(TABLE[name], rows)
    model = calibrated(estimator(TABLE[name], SMALL.get(name, {}), seed=0), y)
    fit_estimator(model, step.fit_transform(rows), y, 1, lambda _share, _message: None)
    make_exact(model)
    return Pipeline([("columns", step), ("model", model)]), Signature(features, "label", found), rows


def answers(data: bytes, signature: Signature, rows: pl.DataFrame) -> tuple[Any, Any]:
    assert elements_of_a_row(data) > 0  # the gateway takes it
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    label, probabilities = session.run(["label", "probabilities"], feeds(signature, rows))
    return label, probabilities


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("name", TABLE)
def test_labels_are_the_same_and_probabilities_to_the_last_digit(name: str, labels: int) -> None:
    pipeline, signature, rows = learnt(name, nasty(), labels)
    data = export(pipeline, signature, name)
    assert check_parity(data, pipeline, signature, rows) < 1e-7
    others = features_frame(  # what the training never saw
        pl.DataFrame(
            {
                "tie": [7, None, 0],
                "near": [-3e38, None, 0.1],
                "huge": [None, 1e38, 1e-45],
                "long": [None, -(2**63), 1],
                "yes": [None, True, False],
                "text": ["new", None, "Ä"],
                "constant": [None, 5.0, 1.0],
                "never": [1.0, None, -1e30],
                "wordless": ["said", None, ""],
            }
        ),
        signature.features,
    )
    label, probabilities = answers(data, signature, others)
    assert label.tolist() == pipeline.predict(others).tolist()
    assert np.abs(probabilities - pipeline.predict_proba(others)).max() < 1e-7
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("labels", [2, 3])
def test_a_forests_ties_stay_ties(labels: int) -> None:
    """Every row stands once under each label: whole trees are ties, and 0.1 five times is not half."""
    rng = np.random.default_rng(0)
    once = rng.integers(0, 4, (200, 3)).astype(np.float64)
    rows = pl.DataFrame(np.tile(once, (labels, 1)), schema=["a", "b", "c"])
    y = np.repeat(np.arange(labels), 200)
    signature = Signature(tuple(Feature(one, ColumnType.NUMBER) for one in "abc"), "y", tuple(range(labels)))
    step = columns(TABLE["random_forest"], rows)
    model = RandomForestClassifier(20, bootstrap=False, max_features=1, random_state=0)
    fit_estimator(model, step.fit_transform(rows), y, 1, lambda _share, _message: None)
    make_exact(model)
    pipeline = Pipeline([("columns", step), ("model", model)])
    label, _ = answers(export(pipeline, signature, "random_forest"), signature, rows)
    assert label.tolist() == pipeline.predict(rows).tolist() == [0] * len(y)


def test_what_is_exact_already_stays_as_it_is() -> None:
    table = nasty()
    for name in ("random_forest", "hist_gradient_boosting"):
        pipeline, _, rows = learnt(name, table, 3)
        before = pipeline.predict_proba(rows)
        make_exact(pipeline["model"])  # once more: it is exact already
        assert (pipeline.predict_proba(rows) == before).all()


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(allow_nan=False))
@settings(deadline=None)
def test_a_rounded_threshold_sends_every_float32_where_it_went(x: float, threshold: float) -> None:
    (rounded,) = floor32(np.array([threshold]))
    assert (x <= threshold) == (x <= rounded)
    assert np.float32(rounded) == rounded


def test_the_file_carries_its_signature_and_nothing_of_the_day() -> None:
    pipeline, signature, _ = learnt("decision_tree", nasty(), 2)
    data = export(pipeline, signature, "decision_tree")
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    told = {one.key: one.value for one in model.metadata_props}
    assert read_signature(told["signature"]) == signature
    assert told["model_class"] == "decision_tree"
    assert [(one.name, one.type.tensor_type.elem_type) for one in model.graph.input] == [
        ("numbers", onnx.TensorProto.FLOAT),
        ("texts", onnx.TensorProto.STRING),
    ]
    assert [(one.name, one.type.tensor_type.elem_type) for one in model.graph.output] == [
        ("label", onnx.TensorProto.INT64),
        ("probabilities", onnx.TensorProto.FLOAT),
    ]
    assert data == export(pipeline, signature, "decision_tree")


def test_a_file_that_is_too_large_is_refused() -> None:
    pipeline, signature, _ = learnt("decision_tree", nasty(), 2)
    with pytest.raises(FitFailed) as failed:
        export(pipeline, signature, "decision_tree", most_bytes=1000)
    assert failed.value.code == "too_large"


@pytest.mark.parametrize(
    ("name", "labels"), [("random_forest", 2), ("random_forest", 3), ("hist_gradient_boosting", 3)]
)
def test_a_files_size_is_told_before_it_is_written(name: str, labels: int) -> None:
    pipeline, signature, _ = learnt(name, nasty(), labels)
    size = len(export(pipeline, signature, name))
    check_model(pipeline["model"], most_bytes=int(1.2 * size))
    with pytest.raises(FitFailed):
        check_model(pipeline["model"], most_bytes=int(0.8 * size))


def test_a_tree_that_the_gateway_would_refuse_fails_its_training() -> None:
    """Labels in turn are cut off one by one; ONNX Runtime builds such a chain by recursion."""
    places = np.arange(2 * DEEPEST)
    for rows, fits in ((places[:DEEPEST], True), (places, False)):
        tree = DecisionTreeClassifier(random_state=0).fit(rows.reshape(-1, 1), rows % 2)
        with nullcontext() if fits else pytest.raises(FitFailed, match="max_depth"):
            check_model(tree)


@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "hist_gradient_boosting"])
def test_trees_end_while_they_grow_where_the_file_would_be_too_large(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for check in (check_model, check_size):
        monkeypatch.setattr(estimators, check.__name__, partial(check, most_bytes=200_000))
    rng = np.random.default_rng(0)
    X, y = rng.random((500, 2)), np.arange(500) % 7  # noqa: N806 - the field's name
    model = estimator(TABLE[name], SMALL[name], seed=0)
    told: list[float] = []
    with pytest.raises(FitFailed) as failed:
        fit_estimator(model, X, y, 1, lambda share, _: told.append(share))
    assert failed.value.code == "too_large"
    assert 0 < max(told) < 0.7


def test_another_models_file_fails_the_check() -> None:
    pipeline, signature, rows = learnt("decision_tree", nasty(), 2)
    other, _, _ = learnt("logistic_regression", nasty(), 2)
    with pytest.raises(FitFailed) as failed:
        check_parity(export(other, signature, "logistic_regression"), pipeline, signature, rows)
    assert failed.value.code == "parity"
