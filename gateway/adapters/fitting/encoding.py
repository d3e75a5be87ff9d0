"""A table's columns as an estimator takes them, and its target as 0, 1, ...

Numbers are what float32 makes of them, as at prediction. Gaps are filled with the median and told by a column
of their own, but for gradient boosting, which sends missing values where they do best. A text column becomes
one column for each of its most frequent texts: what is missing, rare or new is zero in all of them. A feature
that has no value in the training part teaches nothing and is left out here; it stays in the signature.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gateway.adapters.fitting.table import Row
from gateway.training.facts import Cell, ColumnType, Feature
from gateway.training.ports import FitFailed

MOST_TEXTS = 100  # of a column that become columns
_MOST_CELLS = 60_000_000  # of the encoded table: 0.5 GB of doubles
_MOST_LABELS = 100


def features_frame(table: pl.DataFrame, features: Sequence[Feature]) -> pl.DataFrame:
    """The features alone: numbers as doubles that float32 holds, NaN where missing; texts, "" where missing.
    Raises FitFailed."""
    numbers = [one.name for one in features if one.type is not ColumnType.TEXT]
    texts = [one.name for one in features if one.type is ColumnType.TEXT]
    frame = table.select([one.name for one in features]).with_columns(
        pl.col(numbers).cast(pl.Float32).cast(pl.Float64).fill_null(float("nan")),
        pl.col(texts).fill_null(""),
    )
    if any(frame[name].is_infinite().any() for name in numbers):
        raise FitFailed("not_finite", "A feature has numbers beyond 3.4e38, which float32 does not hold.")
    return frame


def encoded_target(target: pl.Series) -> tuple[npt.NDArray[np.int64], tuple[Cell, ...]]:
    """Of a target without gaps: each row's label as its place among the labels, and the labels, sorted.
    Raises FitFailed."""
    labels = target.unique().sort()
    if not 2 <= len(labels) <= _MOST_LABELS:
        raise FitFailed("labels", f"The target must have from 2 to {_MOST_LABELS} different values.")
    places = np.searchsorted(labels.to_numpy(), target.to_numpy()) if target.dtype != pl.String else None
    if places is None:
        order = {label: place for place, label in enumerate(labels)}
        places = np.fromiter((order[label] for label in target), np.int64, len(target))
    return places.astype(np.int64), tuple(labels.to_list())


def columns(row: Row, train: pl.DataFrame) -> Any:
    """The pipeline's first step for the class, not fitted. `train`: of features_frame. Raises FitFailed."""
    numbers = [name for name, kind in train.schema.items() if kind != pl.String]
    numbers = [name for name in numbers if not train[name].is_nan().all()]
    texts = {name: _frequent(train[name]) for name, kind in train.schema.items() if kind == pl.String}
    texts = {name: values for name, values in texts.items() if values}
    width = 2 * len(numbers) + sum(map(len, texts.values()))
    if width == 0:
        raise FitFailed("features", "No feature has a value in the training rows.")
    if width * len(train) > _MOST_CELLS:
        raise FitFailed(
            "too_large", "The encoded table is too large: leave out text columns with many values."
        )
    steps: list[tuple[str, Any, list[str]]] = []
    if numbers:
        steps.append(("numbers", _numbers(row), numbers))
    if texts:
        encoder = OneHotEncoder(
            categories=[*texts.values()], handle_unknown="ignore", sparse_output=False, dtype=np.float32
        )
        steps.append(("texts", encoder, [*texts]))
    return ColumnTransformer(steps)


def kept(columns: Any, name: str) -> tuple[Any, list[str]]:
    """Of fitted columns: what was made of the `numbers` or `texts`, and the features that it takes."""
    return next(((step, names) for found, step, names in columns.transformers_ if found == name), (None, []))


def _numbers(row: Row) -> Any:
    if row.takes_gaps:
        return "passthrough"
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    return Pipeline([("impute", imputer), ("scale", StandardScaler())]) if row.linear else imputer


def _frequent(texts: pl.Series) -> list[str]:
    """The most frequent, sorted; of equally frequent ones the first by the alphabet."""
    counts = texts.filter(texts != "").alias("text").value_counts(name="rows")
    return sorted(counts.sort(["rows", "text"], descending=[True, False])["text"].head(MOST_TEXTS).to_list())
