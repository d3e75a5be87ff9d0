"""Figures of a forecast, each with an interval by bootstrap over groups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from embeddings.training.calibration import (
    Floats,
    Labels,
    expected_calibration_error,
    negative_log_likelihood,
)

COVERAGES = tuple(step / 20 for step in range(1, 21))


@dataclass(frozen=True, slots=True)
class Forecast:
    """One part's rows as a model sees them, and what they are."""

    probabilities: Floats  # [n, labels]
    labels: Labels  # [n]
    groups: NDArray[np.str_]  # [n]
    points: Floats | None = None  # [labels]: what each label is worth
    scores: Floats | None = None  # [n], 0..1: what people gave

    def rows(self, chosen: NDArray[np.int64]) -> "Forecast":
        return replace(
            self,
            probabilities=self.probabilities[chosen],
            labels=self.labels[chosen],
            groups=self.groups[chosen],
            scores=None if self.scores is None else self.scores[chosen],
        )


@dataclass(frozen=True, slots=True)
class Figure:
    value: float  # nan where it is not defined: one class only, no spread
    low: float  # of the 95 % interval
    high: float


def choice(probabilities: Floats, labels: Labels) -> float:
    """What the best epoch is chosen by: ROC-AUC of two labels, accuracy of more."""
    if probabilities.shape[1] == 2 and len(np.unique(labels)) == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    return float((probabilities.argmax(axis=1) == labels).mean())


def figures(forecast: Forecast, *, samples: int, seed: int, only: Sequence[str] = ()) -> dict[str, Figure]:
    """Every figure that the forecast allows, or only some. The interval is the percentile bootstrap's (Efron
    & Tibshirani 1993, chapter 13), drawing whole groups with replacement: rows of one dialogue or question
    are not independent, and drawing them singly would make it too narrow. Without samples: low = high."""
    names = list(only) or _names(forecast)
    found = {name: _METRICS[name](forecast) for name in names}
    if not samples:
        return {name: Figure(value, value, value) for name, value in found.items()}
    _, group_of = np.unique(forecast.groups, return_inverse=True)
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(np.bincount(group_of))[:-1])
    draw = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(samples):
        sample = draw.integers(len(members), size=len(members))
        rows = forecast.rows(np.concatenate([members[group] for group in sample]))
        for name in names:
            drawn[name].append(_METRICS[name](rows))
    return {name: Figure(value, *_interval(drawn[name])) for name, value in found.items()}


def coverage_risk(forecast: Forecast) -> list[tuple[float, float]]:
    """(coverage, risk): of the surest such share of the rows, the share that is wrong (El-Yaniv & Wiener
    2010). Read: how much may be answered without a human at a given risk."""
    surest = np.argsort(-forecast.probabilities.max(axis=1), kind="stable")
    wrong = (forecast.probabilities.argmax(axis=1) != forecast.labels)[surest]
    counts = [max(1, round(share * len(wrong))) for share in COVERAGES]
    return [(share, float(wrong[:count].mean())) for share, count in zip(COVERAGES, counts, strict=True)]


def confusion(forecast: Forecast) -> NDArray[np.int64]:
    """[labels, labels]: rows are what is, columns what was said."""
    width = forecast.probabilities.shape[1]
    pairs = forecast.labels * width + forecast.probabilities.argmax(axis=1)
    made: NDArray[np.int64] = np.bincount(pairs, minlength=width * width).reshape(width, width)
    return made


def _accuracy(forecast: Forecast) -> float:
    return float((forecast.probabilities.argmax(axis=1) == forecast.labels).mean())


def _macro_f1(forecast: Forecast) -> float:
    """Over the labels that stand in the rows or are said of them."""
    said = forecast.probabilities.argmax(axis=1)
    return float(f1_score(forecast.labels, said, average="macro", zero_division=0.0))


def _one_against_rest(forecast: Forecast, metric: Callable[[NDArray[np.bool_], Floats], float]) -> float:
    """Of two labels the second's; of more the mean of all that some rows have and some have not."""
    width = forecast.probabilities.shape[1]
    found = []
    for place in range(width) if width > 2 else (1,):
        truth = forecast.labels == place
        if truth.any() and not truth.all():
            found.append(float(metric(truth, forecast.probabilities[:, place])))
    return float(np.mean(found)) if found else float("nan")


def _pearson(forecast: Forecast) -> float:
    truth, said = _scores(forecast)
    if truth.std() == 0 or said.std() == 0:
        return float("nan")
    return float(np.corrcoef(truth, said)[0, 1])


def _rmse(forecast: Forecast) -> float:
    truth, said = _scores(forecast)
    return float(np.sqrt(((truth - said) ** 2).mean()))


def _scores(forecast: Forecast) -> tuple[Floats, Floats]:
    """What people gave, and the expected points of the forecast."""
    if forecast.scores is None or forecast.points is None:
        raise ValueError("scores need points")
    return forecast.scores, forecast.probabilities @ forecast.points


_METRICS: Mapping[str, Callable[[Forecast], float]] = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "roc_auc": lambda one: _one_against_rest(one, roc_auc_score),
    "average_precision": lambda one: _one_against_rest(one, average_precision_score),
    "ece": lambda one: expected_calibration_error(one.probabilities, one.labels),
    "log_loss": lambda one: negative_log_likelihood(np.log(one.probabilities + 1e-12), one.labels, 1.0),
    "pearson_r": _pearson,
    "rmse": _rmse,
}


def _names(forecast: Forecast) -> list[str]:
    scored = forecast.points is not None and forecast.scores is not None
    return [name for name in _METRICS if scored or name not in {"pearson_r", "rmse"}]


def _interval(values: list[float]) -> tuple[float, float]:
    defined = [value for value in values if not np.isnan(value)]
    if not defined:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
