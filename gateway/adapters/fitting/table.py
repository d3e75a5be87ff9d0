"""The model classes: one row each. One more class is one more row, and its exporter if its kind is new.

Offered of scikit-learn's parameters are those that change what is learnt and hold for every table. Left out:
what is ours to say (random_state is the job's seed, n_jobs, verbose, warm_start), what names columns
(monotonic_cst, categorical_features), classes by name in class_weight, what is deprecated, and the solver
newton-cholesky, whose memory grows with the square of columns times classes. k-NN is no row: beside 5,000
training rows a prediction costs 0.06 ms, but rows equally far are not so in the exported file's float32, and
it could not be held to the model's own answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from gateway.adapters.fitting.rules import FOREST, LOGISTIC_REGRESSION, NO_BOOTSTRAP, SVM, Rule


@dataclass(frozen=True, slots=True)
class Cap:
    """What we take of what scikit-learn takes. `least` and `most` are for whole numbers where there are any,
    else for all numbers. Beside whole numbers a fraction is below 1: JSON does not tell 1.0 from 1."""

    least: float | None = None
    most: float | None = None
    without: tuple[str | None, ...] = ()  # options that we do not take; None: null
    whole: bool = True  # False: no whole number, where scikit-learn means a count by it
    says: str | None = None  # what it is, where scikit-learn's own sentence tells of what is left out here


@dataclass(frozen=True, slots=True)
class Row:
    """A model class."""

    name: str
    title: str
    estimator: Any  # scikit-learn's class
    takes: Mapping[str, Cap]
    rules: tuple[Rule, ...] = ()  # between parameters
    linear: bool = False  # wants columns of one scale
    takes_gaps: bool = False  # minds missing values itself


_ANY = Cap()
_WEIGHT = Cap(
    says="Whether rare classes weigh as much as frequent ones: balanced divides by how many rows each has."
)
_DUAL = Cap(says="Whether the dual problem is solved instead of the primal one.")
_TOLERANCE = Cap(1e-8, 1.0)
_STRENGTH = Cap(1e-6, 1e6)  # beyond: solvers over- or underflow
_TREE = {
    "criterion": _ANY,
    "max_depth": Cap(most=64),
    "min_samples_split": Cap(most=1_000_000),
    "min_samples_leaf": Cap(most=1_000_000),
    "min_weight_fraction_leaf": _ANY,
    "max_features": Cap(most=10_000),
    "max_leaf_nodes": Cap(most=100_000),
    "min_impurity_decrease": Cap(most=1.0),
    "ccp_alpha": Cap(most=1.0),
    "class_weight": _WEIGHT,
}
_FOREST = {
    "n_estimators": Cap(
        most=200
    ),  # a row then costs 0.14 ms, whatever their depth; 300 trees took more than 0.2
    **_TREE,
    "bootstrap": _ANY,
    "oob_score": _ANY,
    "max_samples": Cap(most=1.0, whole=False),
}

TABLE: Mapping[str, Row] = {
    row.name: row
    for row in (
        Row(
            "logistic_regression",
            "Logistic regression",
            LogisticRegression,
            {
                "C": _STRENGTH,
                "l1_ratio": Cap(without=(None,)),  # null is deprecated
                "dual": _DUAL,
                "tol": _TOLERANCE,
                "fit_intercept": _ANY,
                "class_weight": _WEIGHT,
                "solver": Cap(without=("newton-cholesky",)),
                "max_iter": Cap(1, 10_000),
            },
            LOGISTIC_REGRESSION,
            linear=True,
        ),
        Row("decision_tree", "Decision tree", DecisionTreeClassifier, {"splitter": _ANY, **_TREE}),
        Row("random_forest", "Random forest", RandomForestClassifier, _FOREST, (FOREST,)),
        Row("extra_trees", "Extremely randomised trees", ExtraTreesClassifier, _FOREST, (NO_BOOTSTRAP,)),
        Row(
            "hist_gradient_boosting",
            "Gradient boosting over histograms",
            HistGradientBoostingClassifier,
            {
                "learning_rate": Cap(most=1.0),
                "max_iter": Cap(most=1000),
                "max_leaf_nodes": Cap(most=1000),
                "max_depth": Cap(most=64),
                "min_samples_leaf": Cap(most=1_000_000),
                "l2_regularization": Cap(most=1e6),
                "max_features": _ANY,
                "max_bins": _ANY,
                "class_weight": _WEIGHT,
                "early_stopping": Cap(
                    says="Whether to stop when the score no longer improves; auto: with more than 10000 rows."
                ),
                "validation_fraction": Cap(0.05, 0.5, whole=False),
                "n_iter_no_change": Cap(most=1000),
                "tol": Cap(most=1.0),
            },
            takes_gaps=True,
        ),
        Row(
            "linear_svm",
            "Linear support vector machine, its margins turned into probabilities",
            LinearSVC,
            {
                "C": _STRENGTH,
                "penalty": _ANY,
                "loss": _ANY,
                "dual": _DUAL,
                "tol": _TOLERANCE,
                "fit_intercept": _ANY,
                "class_weight": _WEIGHT,
                "max_iter": Cap(1, 10_000),
            },
            SVM,
            linear=True,
        ),
    )
}
