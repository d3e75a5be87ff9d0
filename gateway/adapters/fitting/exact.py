"""Makes a fitted tree model one that float32 repeats exactly, before it is measured and exported.

Two roundings, both far below what the data can tell:
- A threshold goes down to the next float32: for a float32 x, x <= t and x <= floor32(t) are the same.
- What leaves say goes to a grid of 2**-k, k such that every sum over the trees is a whole number of steps, at
  most 2**24. Float32 holds those exactly in any order of adding, so a tie between two classes stays a tie and
  the first of them wins here and there. Without it a forest fitted on a table of ties gave another label than
  its ONNX form in 3000 rows of 3000 (skl2onnx 1.20: five times 0.1 is more than half in float32).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

_STEPS = 2.0**24  # whole numbers that float32 holds

Floats = npt.NDArray[np.float64]


def make_exact(model: Any) -> None:
    """Changes the fitted estimator where it is one of trees."""
    match model:
        case DecisionTreeClassifier():
            _settle(model.tree_, _step(1))
        case RandomForestClassifier() | ExtraTreesClassifier():
            step = _step(len(model.estimators_))
            for tree in model.estimators_:
                _settle(tree.tree_, step)
        case HistGradientBoostingClassifier():
            _settle_boosted(model)


def floor32(values: Floats) -> Floats:
    """The largest float32 not above each."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
        below = np.nextafter(single, np.float32(-np.inf))
    return np.where(single > values, below, single).astype(np.float64)


def _step(most: float) -> float:
    """Of a grid on which sums up to `most` have at most 2**24 steps."""
    return float(2.0 ** math.ceil(math.log2(most)) / _STEPS)


def _settle(tree: Any, step: float) -> None:
    splits = tree.children_left >= 0
    tree.threshold[splits] = floor32(tree.threshold[splits])
    tree.value[:, 0, :] = _shares(tree.value[:, 0, :], step)


def _shares(values: Floats, step: float) -> Floats:
    """Shares [nodes, classes] on the grid, each row's sum 1: the largest remainders go up."""
    steps = values / step
    whole = np.floor(steps)
    missing = np.rint(1.0 / step - whole.sum(axis=1)).astype(np.int64)
    order = np.argsort(whole - steps, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    shares: Floats = (whole + (rank < missing[:, np.newaxis])) * step
    return shares


def _settle_boosted(model: Any) -> None:
    most = np.abs(model._baseline_prediction).max()
    for stage in model._predictors:
        most += max(np.abs(tree.nodes["value"]).max() for tree in stage)
    step = _step(most) if most > 0 else 1.0
    model._baseline_prediction = np.rint(model._baseline_prediction / step) * step
    for stage in model._predictors:
        for tree in stage:
            nodes = tree.nodes
            nodes["value"] = np.rint(nodes["value"] / step) * step
            nodes["num_threshold"] = floor32(nodes["num_threshold"])
