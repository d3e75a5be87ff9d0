"""How good a model is on rows that it has not seen."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    roc_auc_score,
)

from gateway.training.facts import Cell

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_BINS = 15
_FIT = re.compile(r"(?=.{1,64}$)[\w.-]+(?: [\w.-]+)*")  # for a metric's name in MLflow and in ClearML


def label_metrics(labels: Sequence[Cell]) -> tuple[str, ...]:
    """What each label's F1 is called: `f1_yes` by the labels, where all of them are fit for it and differ, in
    more than upper and lower case, from each other and from `macro`; else `f1_0`, ... by their places."""
    texts = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    fit = all(_FIT.fullmatch(text) for text in texts)
    apart = len({"macro", *(text.casefold() for text in texts)}) == len(texts) + 1
    return tuple(f"f1_{text}" for text in (texts if fit and apart else map(str, range(len(texts)))))


def measured(
    held: Places, probabilities: Floats, predicted: Places, train: Places, f1_names: Sequence[str]
) -> Mapping[str, float]:
    """By the field's names, each label's F1 by `f1_names`. What has no value is left out: `average_precision`
    of more than two labels. `held` has every label. Rounded to six digits, so that the order of adding does
    not show."""
    labels = np.arange(probabilities.shape[1])
    found = {
        "accuracy": accuracy_score(held, predicted),
        "baseline_accuracy": float((held == np.bincount(train).argmax()).mean()),
        "balanced_accuracy": balanced_accuracy_score(held, predicted),
        "f1_macro": f1_score(held, predicted, labels=labels, average="macro", zero_division=0.0),
        "log_loss": log_loss(held, _normalised(probabilities), labels=labels),
        "ece": calibration_error(held, probabilities),
    }
    if len(labels) == 2:
        found["roc_auc"] = roc_auc_score(held, probabilities[:, 1])
        found["average_precision"] = average_precision_score(held, probabilities[:, 1])
    else:
        found["roc_auc"] = roc_auc_score(held, _normalised(probabilities), labels=labels, multi_class="ovr")
    each: Any = f1_score(held, predicted, labels=labels, average=None, zero_division=0.0)
    found.update(zip(f1_names, each, strict=True))
    return {name: round(float(value), 6) for name, value in found.items()}


def calibration_error(held: Places, probabilities: Floats) -> float:
    """Expected calibration error: the gap between confidence and accuracy in bins of equal width, weighed by
    their rows (Naeini, Cooper, Hauskrecht 2015)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == held
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, right.astype(float) - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(held))


def _normalised(probabilities: Floats) -> Floats:
    """scikit-learn warns where a row's sum is not 1 to the last digit."""
    normalised: Floats = probabilities / probabilities.sum(axis=1, keepdims=True)
    return normalised
