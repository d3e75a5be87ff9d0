"""An estimator for a row of the table, and its fit, which says how far it is.

Forests grow in slices, which gives the same trees as growing them at once. Gradient boosting and lbfgs tell
each iteration. The other solvers say nothing until they are done.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Mapping
from math import ceil
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils._param_validation import Interval

from gateway.adapters.fitting.size import check_model, check_size
from gateway.adapters.fitting.table import Row
from gateway.training.ports import FitFailed

Tell = Callable[[float, str], None]  # a share of the fit, and a line for the log

_SLICES = 20
_FOLDS = 3  # in which the margins of the support vector machine are calibrated
_ITERATION = re.compile(r"^\[(\d+)/(\d+)\] ")
_GROWN = re.compile(r"^(\d+) trees?, (\d+) leaves")


def estimator(row: Row, hyperparameters: Mapping[str, Any], seed: int) -> Any:
    """Not fitted. JSON's 1 is a float where scikit-learn wants one."""
    constraints = row.estimator._parameter_constraints
    given = {
        name: float(value) if type(value) is int and not _counts(constraints[name]) else value
        for name, value in hyperparameters.items()
    }
    return row.estimator(**given, random_state=seed)


def calibrated(model: Any, y: npt.NDArray[np.int64]) -> Any:
    """The estimator with probabilities: a support vector machine's margins go through Platt's sigmoid, fitted
    on folds that the margins were not learnt from."""
    if not isinstance(model, LinearSVC):
        return model
    rarest = int(np.bincount(y).min())
    if rarest < 2:
        raise FitFailed("labels", "Each label needs two training rows at least to learn probabilities from.")
    return CalibratedClassifierCV(model, method="sigmoid", cv=min(_FOLDS, rarest), ensemble=False)


def fit_estimator(model: Any, X: Any, y: npt.NDArray[np.int64], threads: int, tell: Tell) -> None:  # noqa: N803 - the field's name
    """Raises FitFailed where scikit-learn refuses."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _fit(model, X, y, threads, tell)
        except ValueError:  # its text may quote the data
            raise FitFailed(
                "refused", "scikit-learn refuses these rows with these hyper-parameters."
            ) from None
        except MemoryError:
            raise FitFailed("too_large", "The fit needs more memory than there is.") from None
    if any(issubclass(one.category, ConvergenceWarning) for one in caught):
        tell(1.0, "The solver stopped at max_iter before it converged.")


def _fit(model: Any, X: Any, y: npt.NDArray[np.int64], threads: int, tell: Tell) -> None:  # noqa: N803
    match model:
        case RandomForestClassifier() | ExtraTreesClassifier():
            _grow(model, X.astype(np.float32), y, threads, tell)
        case HistGradientBoostingClassifier():
            model.set_params(verbose=2)
            with contextlib.redirect_stdout(_Iterations(tell)):
                model.fit(X, y)
            model.set_params(verbose=0)
        case LogisticRegression(solver="lbfgs"):
            model.set_callbacks(_EachIteration(model.max_iter, tell))
            model.fit(X, y)
            del model._skl_callbacks  # it is no part of the model, and skops would not take it
        case LogisticRegression(solver="liblinear") if len(np.unique(y)) > 2:
            raise FitFailed("labels", "The solver liblinear tells two labels apart, no more.")
        case _:
            model.fit(X, y)


def _grow(model: Any, X: Any, y: npt.NDArray[np.int64], threads: int, tell: Tell) -> None:  # noqa: N803
    trees, left_out = model.n_estimators, model.oob_score
    model.set_params(warm_start=True, oob_score=False, n_jobs=threads)
    step = ceil(trees / _SLICES)
    for grown in [*range(step, trees, step), trees]:
        model.set_params(n_estimators=grown, oob_score=left_out and grown == trees)
        model.fit(X, y)
        check_model(model)
        tell(grown / trees, f"Fitted {grown} of {trees} trees.")
    model.set_params(warm_start=False, n_jobs=None)


class _Iterations(io.TextIOBase):
    """What gradient boosting prints of itself as progress: `[3/100] ` before an iteration, and behind it
    `1 tree, 31 leaves, ...`. Ends the fit as soon as its file would be too large."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told = 0.0
        self._iteration = self._most = 1
        self._trees = self._leaves = 0

    def write(self, text: str) -> int:
        if match := _ITERATION.match(text):
            self._iteration, self._most = int(match[1]), int(match[2])
        elif match := _GROWN.match(text):
            self._trees += int(match[1])
            self._leaves += int(match[2])
            check_size(self._trees, self._leaves, 1)
            share = self._iteration / self._most
            if share >= self._told + 1 / _SLICES or share == 1:
                self._told = share
                self._tell(share, f"Fitted {self._iteration} of at most {self._most} iterations.")
        return len(text)


class _EachIteration:
    """scikit-learn's FitCallback, of which the end of each iteration is told."""

    def __init__(self, most: int, tell: Tell) -> None:
        self._most = most
        self._tell = tell
        self._done = 0
        self._step = ceil(most / _SLICES)

    def setup(self, estimator: Any, context: Any) -> None:
        pass

    def teardown(self, estimator: Any, context: Any) -> None:
        pass

    def on_fit_task_begin(self, estimator: Any, context: Any, **_: Any) -> None:
        pass

    def on_fit_task_end(self, estimator: Any, context: Any, **_: Any) -> None:  # noqa: ARG002 - its names
        self._done += 1
        if self._done % self._step == 0 and self._done <= self._most:
            self._tell(self._done / self._most, f"Fitted {self._done} of at most {self._most} iterations.")


def _counts(constraints: Any) -> bool:
    """Whether a whole number means a count, not just a number."""
    return any(isinstance(one, Interval) and one.type is Integral for one in constraints)
