"""Evidently's report over the comparable columns: its scores, its page. Its methods are those of methods.py.

Loads Evidently (10 s): only the process that compares imports this.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.metrics import DriftedColumnsCount, ValueDrift

from gateway.adapters.evidently.columns import Column, Side, comparable
from gateway.adapters.evidently.methods import (
    CATEGORIES,
    METHODS,
    NUMBERS,
    VECTORS,
    kolmogorov,
    roc_auc,
    total_variation,
)
from gateway.drift.facts import ColumnDrift, Compared

MODEL = "model_id"  # Evidently's own name for it among a report's metadata
# The page may do nothing but show itself, wherever it is opened.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
_HEAD = b"<head>"


@dataclass(frozen=True, slots=True)
class Made:
    compared: Compared
    snapshot: Any  # Evidently's; None where nothing can be compared


def made(model: str, reference: Side, current: Side) -> Made:
    columns, notes = comparable(reference, current)
    if not columns:
        return Made(Compared((), False, _empty(), notes), None)
    _register({one.name: one.threshold for one in columns})
    snapshot = _report(model, columns).run(
        _dataset(columns, current, [one.current for one in columns]),
        _dataset(columns, reference, [one.reference for one in columns]),
        timestamp=datetime.now(UTC).replace(tzinfo=None),
        name=model,
    )
    found = tuple(_found(one, snapshot) for one in columns)
    # What save_html() writes; into anything but a path it writes nothing (0.7.23).
    html = _closed(snapshot.get_html_str(as_iframe=False).encode())
    return Made(Compared(found, any(one.drifted for one in found), html, notes), snapshot)


def _register(thresholds: Mapping[str, float]) -> None:
    """Makes our methods known to Evidently for this comparison."""
    for method, kind, distance in (
        (NUMBERS, ColumnType.Numerical, kolmogorov),
        (CATEGORIES, ColumnType.Categorical, total_variation),
        (VECTORS, ColumnType.Numerical, roc_auc),
    ):
        test = StatTest(method.name, method.title, [kind], method.least)
        register_stattest(test, _test(distance, thresholds))


def _test(distance: Callable[[Any, Any], float], thresholds: Mapping[str, float]) -> Any:
    """As Evidently calls it. Its own threshold is the pinned part of ours: one that is another in each run
    would break the lines of its dashboard into points."""

    def compared(reference: pd.Series, current: pd.Series, _kind: Any, _pinned: float) -> tuple[float, bool]:
        score = distance(reference.to_numpy(), current.to_numpy())
        return score, score > thresholds[str(reference.name)]

    return compared


def _report(model: str, columns: list[Column]) -> Report:
    each = [
        ValueDrift(column=one.name, method=one.method.name, threshold=one.method.least) for one in columns
    ]
    # All that there may be, so that a column that is left out in one run breaks no line.
    share = DriftedColumnsCount(
        per_column_method={name: method.name for name, method in METHODS.items()},
        per_column_threshold={name: method.least for name, method in METHODS.items()},
    )
    return Report([share, *each], model_id=model)


def _dataset(columns: list[Column], side: Side, present: list[tuple[list[Any], Any]]) -> Dataset:
    """Rows in the order of time; what a row has no value of is missing."""
    rows = len(next(iter(side.values())))
    data = {}
    for column, (values, places) in zip(columns, present, strict=True):
        kind = object if column.method is CATEGORIES else np.float64
        whole = np.full(rows, None if kind is object else np.nan, kind)
        whole[places] = values
        data[column.name] = whole
    definition = DataDefinition(
        numerical_columns=[one.name for one in columns if one.method is not CATEGORIES],
        categorical_columns=[one.name for one in columns if one.method is CATEGORIES],
    )
    return Dataset.from_pandas(pd.DataFrame(data), data_definition=definition)


def _found(column: Column, snapshot: Any) -> ColumnDrift:
    score = next(
        float(one["value"])
        for one in snapshot.dict()["metrics"]
        if one["config"].get("column") == column.name
    )
    method, threshold = column.method.name, column.threshold
    return ColumnDrift(column.name, method, score, threshold, score > threshold, len(column.current[0]))


def _closed(page: bytes) -> bytes:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'.encode()
    before, head, after = page.partition(_HEAD)
    if not head:
        raise ValueError("Evidently's page has no head.")
    return before + head + policy + after


def _empty() -> bytes:
    return b"<!doctype html><html><head></head><body><p>No column can be compared.</p></body></html>"
