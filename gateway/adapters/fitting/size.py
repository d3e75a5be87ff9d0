"""How large and deep a tree model's file becomes, told before it is written: a forest that is too large ends
while it grows, not after it has been gathered, which takes many times its file's size in memory.

A forest of 30 trees on 20,000 rows of noise in 100 classes was 6 GB at its export. A decision tree of 20,000
rows in the order of one column, their labels in turn, was 19,999 levels deep.
"""

from typing import Any

from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from gateway.adapters.onnx_trees import DEEPEST
from gateway.training.ports import FitFailed

MOST_BYTES = 32_000_000  # of a file; the gateway needs a multiple of it to load it
TOO_LARGE = f"The model's file would be over {MOST_BYTES // 1_000_000} MB: ask for fewer or smaller trees."
TOO_DEEP = f"A tree has {DEEPEST} levels or more: set 'max_depth'."

# Measured: forests of 2 to 100 classes and gradient boosting take 27 to 32 bytes a node and 12 to 13 a value.
_NODE_BYTES, _VALUE_BYTES = 28, 12


def check_size(trees: int, leaves: int, values: int, most_bytes: int = MOST_BYTES) -> None:
    """`values`: numbers that a leaf says. Raises FitFailed."""
    nodes = 2 * leaves - trees
    if _NODE_BYTES * nodes + _VALUE_BYTES * leaves * values > most_bytes:
        raise FitFailed("too_large", TOO_LARGE)


def check_depth(levels: int) -> None:
    """Raises FitFailed for a tree that the gateway would refuse."""
    if levels >= DEEPEST:
        raise FitFailed("too_deep", TOO_DEEP)


def check_model(model: Any, most_bytes: int = MOST_BYTES) -> None:
    """Of an estimator that is fitted, or grown so far; what has no trees passes. Raises FitFailed."""
    match model:
        case DecisionTreeClassifier() | RandomForestClassifier() | ExtraTreesClassifier():
            trees = [one.tree_ for one in getattr(model, "estimators_", [model])]
            classes = len(model.classes_)
            leaves = sum((tree.node_count + 1) // 2 for tree in trees)
            check_size(len(trees), leaves, classes if classes > 2 else 1, most_bytes)
            check_depth(max((tree.max_depth for tree in trees), default=0))
        case HistGradientBoostingClassifier():
            trees = [tree for stage in model._predictors for tree in stage]
            check_size(len(trees), sum(tree.get_n_leaf_nodes() for tree in trees), 1, most_bytes)
            check_depth(max((tree.get_max_depth() for tree in trees), default=0))
