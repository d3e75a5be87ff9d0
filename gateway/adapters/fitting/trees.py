"""Fitted trees as one ONNX node, the sum of what their leaves say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.adapters.fitting.graph import Graph

Array = npt.NDArray[Any]

_BRANCH, _LEAF = "BRANCH_LEQ", "LEAF"


def forest_shares(graph: Graph, trees: Sequence[Any], matrix: str) -> str:
    """[n, classes]: the sum of the trees' shares. Of two classes only the second's is kept and the first's is
    the rest, which saves half. Missing values never arrive: the pipeline imputes them."""
    classes = trees[0].value.shape[2]
    kept = slice(1, 2) if classes == 2 else slice(None)
    nodes = _Nodes()
    for tree in trees:
        leaf = tree.children_left < 0
        nodes.add(
            np.where(leaf, 0, tree.feature),
            np.where(leaf, 0.0, tree.threshold),
            np.where(leaf, 0, tree.children_left),
            np.where(leaf, 0, tree.children_right),
            np.zeros(len(leaf), np.int64),
            leaf,
            tree.value[:, 0, kept],
        )
    sums = nodes.node(graph, matrix)
    if classes > 2:
        return sums
    rest = graph.add("Sub", graph.constant(np.float32(len(trees))), sums)
    return graph.add("Concat", rest, sums, axis=1)


def boosted_sums(graph: Graph, model: Any, matrix: str) -> str:
    """[n, classes], or [n, 1] of two: the raw sums with the baseline."""
    nodes = _Nodes()
    for stage in model._predictors:
        for place, tree in enumerate(stage):
            one = tree.nodes
            leaf = one["is_leaf"].astype(bool)
            weights = np.zeros((len(leaf), len(stage)))
            weights[:, place] = one["value"]
            nodes.add(
                one["feature_idx"],
                np.where(leaf, 0.0, one["num_threshold"]),
                one["left"],
                one["right"],
                one["missing_go_to_left"],
                leaf,
                weights,
                [place],
            )
    return nodes.node(graph, matrix, np.asarray(model._baseline_prediction).reshape(-1))


class _Nodes:
    """The attributes of TreeEnsembleRegressor, gathered tree by tree."""

    def __init__(self) -> None:
        self._trees = 0
        self._targets = 0
        self._parts: dict[str, list[Array]] = {}

    def add(
        self,
        feature: Array,
        threshold: Array,
        left: Array,
        right: Array,
        missing_left: Array,
        leaf: Array,
        weights: Array,
        targets: Sequence[int] | None = None,
    ) -> None:
        """`weights` [nodes, targets], of which leaves count; `targets`: those that the tree speaks of."""
        ids = np.arange(len(leaf))
        places = np.flatnonzero(leaf)
        self._targets = weights.shape[1]
        columns = np.arange(self._targets) if targets is None else np.asarray(targets)
        parts = {
            "nodes_treeids": np.full(len(leaf), self._trees),
            "nodes_nodeids": ids,
            "nodes_featureids": feature,
            "nodes_values": threshold.astype(np.float32),
            "nodes_modes": leaf,
            "nodes_truenodeids": left,
            "nodes_falsenodeids": right,
            "nodes_missing_value_tracks_true": missing_left,
            "target_treeids": np.full(len(places) * len(columns), self._trees),
            "target_nodeids": np.repeat(places, len(columns)),
            "target_ids": np.tile(columns, len(places)),
            "target_weights": weights[np.ix_(places, columns)].reshape(-1).astype(np.float32),
        }
        for name, part in parts.items():
            self._parts.setdefault(name, []).append(part)
        self._trees += 1

    def node(self, graph: Graph, matrix: str, base: Array | None = None) -> str:
        attributes: dict[str, Any] = {
            name: np.concatenate(parts) for name, parts in self._parts.items() if name != "nodes_modes"
        }
        attributes = {
            name: value.astype(np.int64) if value.dtype.kind in "ub" else value
            for name, value in attributes.items()
        }
        leaves = np.concatenate(self._parts["nodes_modes"])
        attributes["nodes_modes"] = [_LEAF if leaf else _BRANCH for leaf in leaves.tolist()]
        if base is not None:
            attributes["base_values"] = base.astype(np.float32)
        return graph.add(
            "TreeEnsembleRegressor",
            matrix,
            n_targets=self._targets,
            aggregate_function="SUM",
            post_transform="NONE",
            **attributes,
        )
