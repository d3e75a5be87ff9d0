"""A job's work from its data to its files: the same for the same data, parameters and seed.

The model that is kept is the one that was fitted on the training part and measured on the held rows. It is
not fitted again on all: what is served is what was measured.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl
import sklearn
import skops.io
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from gateway.adapters.fitting.encoding import columns, encoded_target, features_frame
from gateway.adapters.fitting.estimators import calibrated, estimator, fit_estimator
from gateway.adapters.fitting.exact import make_exact
from gateway.adapters.fitting.export import check_parity, export, row_cost_ms
from gateway.adapters.fitting.metrics import label_metrics, measured
from gateway.adapters.fitting.plots import draw
from gateway.adapters.fitting.table import TABLE
from gateway.adapters.tables.reading import TYPES, read_table
from gateway.training.facts import Feature, Signature, TrainingRequest
from gateway.training.ports import FitFailed, Fitted, Progress, Work
from gateway.training.signature import signature_json

Tell = Callable[[Progress], None]

# What a dump of ours holds beside what skops trusts by itself. Of trees it trusts nothing, because a made-up
# file could crash the process: load only what has the sha256 that the registry knows.
TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)

_FITTING, _EVALUATING, _EXPORTING = 0.1, 0.8, 0.9  # of a job, where each stage begins
_DEAR_MS = 0.2  # of CPU for a row


@dataclass(frozen=True, slots=True)
class _Parts:
    """A table cut in two, its target encoded."""

    train: pl.DataFrame
    held: pl.DataFrame
    y_train: npt.NDArray[np.int64]
    y_held: npt.NDArray[np.int64]
    signature: Signature


def fit(work: Work, tell: Tell) -> Fitted:
    """Leaves model.onnx, model.skops, report.json and pictures in the folder. Raises FitFailed."""
    began = time.monotonic()
    request = work.request
    tell(Progress("preparing", 0.0, "The table is being read."))
    parts = _parts(read_table(work.data, work.format), request, tell)
    pipeline, parameters = _fitted(parts, request, work.threads, tell)

    tell(Progress("evaluating", _EVALUATING, f"Measuring on {len(parts.held)} rows that were held out."))
    probabilities, predicted = pipeline.predict_proba(parts.held), pipeline.predict(parts.held)
    f1_names = label_metrics(parts.signature.labels)
    metrics = dict(measured(parts.y_held, probabilities, predicted, parts.y_train, f1_names))
    if getattr(pipeline["model"], "oob_score", False):
        metrics["oob_accuracy"] = round(float(pipeline["model"].oob_score_), 6)
    draw(work.folder, parts.signature.labels, parts.y_held, probabilities, predicted)

    tell(Progress("exporting", _EXPORTING, "The model is being written as ONNX."))
    data = export(pipeline, parts.signature, request.model_class)
    difference = check_parity(data, pipeline, parts.signature, parts.held)
    cost = row_cost_ms(data, parts.signature, parts.held)
    tell(Progress("exporting", 1.0, _size_and_cost(len(data), cost)))
    (work.folder / "model.onnx").write_bytes(data)
    skops.io.dump(pipeline, work.folder / "model.skops")
    fitted = Fitted(work.folder, hashlib.sha256(data).hexdigest(), parts.signature, metrics, parameters)
    report = _report(work, fitted, parts, time.monotonic() - began)
    report |= {"parity": {"rows": len(parts.held), "largest_difference": difference}, "row_cost_ms": cost}
    (work.folder / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    return fitted


def _parts(table: pl.DataFrame, request: TrainingRequest, tell: Tell) -> _Parts:
    if not {request.target, *request.features} <= set(table.columns):
        raise FitFailed("columns", "The data set has no longer the columns that the job names.")
    whole = table.filter(pl.col(request.target).is_not_null())
    if len(whole) < len(table):
        tell(Progress("preparing", 0.0, f"{len(table) - len(whole)} rows without a target are left out."))
    features = tuple(Feature(name, TYPES[type(table.schema[name])]) for name in request.features)
    y, labels = encoded_target(whole[request.target])
    train, held = _split(y, len(labels), request)
    frame = features_frame(whole, features)
    signature = Signature(features, request.target, labels)
    return _Parts(frame[train], frame[held], y[train], y[held], signature)


def _split(
    y: npt.NDArray[np.int64], labels: int, request: TrainingRequest
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of the training rows and of the held ones; every label stands in both, in the same share."""
    try:
        train, held = train_test_split(
            np.arange(len(y)), test_size=request.test_share, random_state=request.seed, stratify=y
        )
    except ValueError:
        train = held = np.zeros(0, np.int64)
    if len(np.unique(y[train])) < labels or len(np.unique(y[held])) < labels:
        raise FitFailed("labels", "Each label needs enough rows to stand in the training and the held part.")
    return np.sort(train), np.sort(held)


def _fitted(
    parts: _Parts, request: TrainingRequest, threads: int, tell: Tell
) -> tuple[Any, dict[str, object]]:
    """The pipeline, exact, and the estimator's parameters, all of them."""
    row = TABLE[request.model_class]
    encoder = columns(row, parts.train)
    matrix = encoder.fit_transform(parts.train)
    inner = estimator(row, request.hyperparameters, request.seed)
    model = calibrated(inner, parts.y_train)
    tell(Progress("fitting", _FITTING, f"Fitting on {len(matrix)} rows and {matrix.shape[1]} columns."))

    def told(share: float, message: str) -> None:
        tell(Progress("fitting", round(_FITTING + share * (_EVALUATING - _FITTING), 3), message))

    fit_estimator(model, matrix, parts.y_train, threads, told)
    make_exact(model)
    return Pipeline([("columns", encoder), ("model", model)]), _told(inner)


def _size_and_cost(size: int, cost_ms: float) -> str:
    told = f"The file has {size} bytes; a row costs {cost_ms:.2f} ms of CPU"
    return f"{told}, more than the {_DEAR_MS} ms that it should." if cost_ms > _DEAR_MS else f"{told}."


def _told(model: Any) -> dict[str, object]:
    """All parameters but the deprecated ones."""
    return {name: value for name, value in model.get_params().items() if value != "deprecated"}


def _report(work: Work, fitted: Fitted, parts: _Parts, seconds: float) -> dict[str, object]:
    labels = fitted.signature.labels
    return {
        "job_id": work.job_id,
        "model_class": work.request.model_class,
        "dataset": f"{work.request.dataset}@{work.request.dataset_version}",
        "dvc_hash": work.dvc_hash,
        "seed": work.request.seed,
        "rows": {"training": len(parts.train), "held": len(parts.held)},
        "fitted_on": "the training part",
        "signature": json.loads(signature_json(fitted.signature)),
        "labels": [
            {"place": place, "label": label, "metric": metric}
            for place, (label, metric) in enumerate(zip(labels, label_metrics(labels), strict=True))
        ],
        "parameters": fitted.parameters,
        "metrics": fitted.metrics,
        "sha256": fitted.sha256,
        "seconds": round(seconds, 3),
        "versions": {"scikit-learn": sklearn.__version__, "onnx": onnx.__version__},
    }
