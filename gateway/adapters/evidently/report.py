"""Evidently's report over the comparable columns: its page, with the scores of our methods (methods.py).

Loads Evidently (10 s): only the process that compares imports this.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    Method,
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
_MOST_SHOWN = 100  # labels
OTHER = "other"  # what the page calls the rest
_DISTANCES: Mapping[Method, Callable[[Any, Any], float]] = {
    NUMBERS: kolmogorov,
    CATEGORIES: total_variation,
    VECTORS: roc_auc,
}


@dataclass(frozen=True, slots=True)
class Made:
    compared: Compared
    snapshot: Any  # Evidently's; None where nothing can be compared


def made(model: str, reference: Side, current: Side) -> Made:
    columns, notes = comparable(reference, current)
    if not columns:
        return Made(Compared((), False, _empty(), notes), None)
    found = tuple(_found(one) for one in columns)
    _register({one.column: one for one in found})
    shown = [_folded(one) for one in columns]
    snapshot = _report(model, columns).run(
        _dataset(columns, current, [one.current for one in shown]),
        _dataset(columns, reference, [one.reference for one in shown]),
        timestamp=datetime.now(UTC).replace(tzinfo=None),
        name=model,
    )
    # What save_html() writes; into anything but a path it writes nothing (0.7.23).
    html = _closed(snapshot.get_html_str(as_iframe=False).encode())
    return Made(Compared(found, any(one.drifted for one in found), html, notes), snapshot)


def _found(column: Column) -> ColumnDrift:
    method, threshold = column.method, column.threshold
    score = _DISTANCES[method](column.reference[0], column.current[0])
    return ColumnDrift(column.name, method.name, score, threshold, score > threshold, len(column.current[0]))


def _register(found: Mapping[str, ColumnDrift]) -> None:
    """Makes our methods known to Evidently, and what they found this time."""
    for method in _DISTANCES:
        kind = ColumnType.Categorical if method is CATEGORIES else ColumnType.Numerical
        register_stattest(StatTest(method.name, method.title, [kind], method.least), _test(found))


def _test(found: Mapping[str, ColumnDrift]) -> Any:
    """As Evidently calls it, with values of which the rare ones are folded: the score is of all. Its own
    threshold is the pinned part of ours: one that is another in each run would break the lines of its
    dashboard into points."""

    def compared(reference: pd.Series, _current: Any, _kind: Any, _pinned: float) -> tuple[float, bool]:
        one = found[str(reference.name)]
        return one.score, one.drifted

    return compared


def _folded(column: Column) -> Column:
    """As the page shows it: of labels the most frequent, since Evidently draws all of them, in minutes and
    megabytes where each answer has its own."""
    if column.method is not CATEGORIES:
        return column
    counted = Counter(column.reference[0]) + Counter(column.current[0])
    kept = {label for label, _ in counted.most_common(_MOST_SHOWN)}
    sides = [
        ([label if label in kept else OTHER for label in values], rows)
        for values, rows in (column.reference, column.current)
    ]
    return replace(column, reference=sides[0], current=sides[1])


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


def _closed(page: bytes) -> bytes:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'.encode()
    before, head, after = page.partition(_HEAD)
    if not head:
        raise ValueError("Evidently's page has no head.")
    return before + head + policy + after


def _empty() -> bytes:
    return b"<!doctype html><html><head></head><body><p>No column can be compared.</p></body></html>"
