"""What scikit-learn asks between parameters, as JSON Schema: published, and checked before a job begins.

Read in sklearn 1.9: linear_model/_logistic.py `_check_solver`, svm/_base.py `_get_liblinear_solver_type`,
ensemble/_forest.py `fit`. A `description` is what a caller reads when the rule is broken.
"""

from collections.abc import Mapping
from typing import Any

Rule = Mapping[str, Any]


def _is(name: str, *values: object) -> Rule:
    """The parameter is given, and is one of these."""
    return {"properties": {name: {"enum": [*values]}}, "required": [name]}


def _may_be(name: str, *values: object) -> Rule:
    """The parameter, if it is given, is one of these."""
    return {"properties": {name: {"enum": [*values]}}}


def _both(*rules: Rule) -> Rule:
    return {"properties": {name: rule for one in rules for name, rule in one["properties"].items()}}


LOGISTIC_REGRESSION: tuple[Rule, ...] = (
    {
        "description": "must be 0 unless the solver is liblinear or saga",
        "if": {"not": _is("solver", "liblinear", "saga")},
        "then": _may_be("l1_ratio", 0),
    },
    {
        "description": "must be 0 or 1 with the solver liblinear",
        "if": _is("solver", "liblinear"),
        "then": _may_be("l1_ratio", 0, 1),
    },
    {
        "description": "must be liblinear where dual is true",
        "if": _is("dual", True),
        "then": _is("solver", "liblinear"),
    },
    {
        "description": "must be 0 where dual is true",
        "if": _is("dual", True),
        "then": _may_be("l1_ratio", 0),
    },
)

_ALL_ROWS = _both(_may_be("max_samples", None), _may_be("oob_score", False))
FOREST: Rule = {
    "description": "needs bootstrap: with all rows in every tree there is nothing to sample or leave out",
    "if": _is("bootstrap", False),
    "then": _ALL_ROWS,
}
NO_BOOTSTRAP: Rule = {**FOREST, "if": {"not": _is("bootstrap", True)}}  # the same where false is the default

SVM: tuple[Rule, ...] = (
    {
        "description": "must be squared_hinge with the penalty l1",
        "if": _is("penalty", "l1"),
        "then": _may_be("loss", "squared_hinge"),
    },
    {
        "description": "must not be true with the penalty l1",
        "if": _is("penalty", "l1"),
        "then": _may_be("dual", False, "auto"),
    },
    {
        "description": "must not be false with the loss hinge",
        "if": _is("loss", "hinge"),
        "then": _may_be("dual", True, "auto"),
    },
)
