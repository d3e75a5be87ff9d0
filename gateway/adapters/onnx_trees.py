"""Whether the trees of a TreeEnsembleRegressor are trees, as fitting/trees.py writes them.

ONNX Runtime 1.31 builds them by recursion, one call a level: a chain of 20,000 levels ran out of a thread's
8 MB of stack and ended the process, 10,000 did not. Such a chain is 1.4 MB of a sound file, and a decision
tree of rows whose labels alternate is one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.adapters.onnx_shapes import require

TREES = (b"ai.onnx.ml", b"TreeEnsembleRegressor")
DEEPEST = 1_000  # levels; some 0.8 MB of stack, where a thread may have 2 MB
_AT_ONCE = 1 << 14  # items: 0.5 ms, for as long the interpreter serves nobody else
_LEAF = b"LEAF"
_MODES = {b"BRANCH_LEQ", _LEAF}
_FLOATS = {b"nodes_values", b"target_weights"}
_NODES = (
    b"nodes_treeids",
    b"nodes_nodeids",
    b"nodes_featureids",
    b"nodes_truenodeids",
    b"nodes_falsenodeids",
    b"nodes_missing_value_tracks_true",
)
_TARGETS = (b"target_treeids", b"target_nodeids", b"target_ids")
_CHOICES = {b"aggregate_function": (b"", b"SUM"), b"post_transform": (b"", b"NONE")}
_ALL = {*_FLOATS, *_NODES, *_TARGETS, *_CHOICES, b"nodes_modes", b"n_targets", b"base_values"}
_NEEDED = _ALL - {*_CHOICES, b"base_values"}


def check_trees(attributes: Mapping[bytes, Any], columns: int) -> None:
    """`attributes`: those of the node, by name; `columns`: of a row. Raises Refused. 0.9 s for a forest
    of 32 MB, in short steps."""
    import numpy as np  # noqa: PLC0415 - 20 MB that most deployments never need

    require(_NEEDED <= attributes.keys() <= _ALL)
    for name, one in attributes.items():
        require({told.name for told, _ in one.ListFields()} <= {"name", "type", _field(name)})
    require(all(attributes[name].s in told for name, told in _CHOICES.items() if name in attributes))
    targets = attributes[b"n_targets"].i
    base = attributes[b"base_values"].floats if b"base_values" in attributes else ()
    require(targets > 0 and len(base) in (0, targets))

    trees, ids, features, left, right, _ = (_numbers(attributes[name].ints) for name in _NODES)
    count = len(trees)
    modes = attributes[b"nodes_modes"].strings
    require(count > 0 and len(modes) == count == len(attributes[b"nodes_values"].floats))
    require(all(len(attributes[name].ints) == count for name in _NODES))
    require(all(_MODES.issuperset(part) for part in _parts(modes)))
    leaf = np.concatenate([np.array([one == _LEAF for one in part]) for part in _parts(modes)])
    require(bool((features >= 0).all() and (features < columns).all()))

    # Trees one behind the other, their nodes numbered from 0.
    require(trees[0] == 0 and bool(np.isin(np.diff(trees), (0, 1)).all()))
    first = np.flatnonzero(np.diff(trees, prepend=-1))
    begin = first[trees]
    end = np.append(first[1:], count)[trees]
    places = np.arange(count)
    require(bool((ids == places - begin).all()))

    # A child stands behind its parent, and every node but the first is a child once: so there is no circle.
    branch = np.flatnonzero(~leaf)
    children = np.full((2, count), -1)
    for row, given in enumerate((left, right)):
        local = given[branch]
        require(bool((local > ids[branch]).all() and (local < (end - begin)[branch]).all()))
        children[row, branch] = local + begin[branch]
    parents = np.bincount(children[:, branch].ravel(), minlength=count)
    require(bool((parents == (ids > 0)).all()))
    _check_depth(first, children)

    owners, nodes, of = (_numbers(attributes[name].ints) for name in _TARGETS)
    require(len(owners) == len(nodes) == len(of) == len(attributes[b"target_weights"].floats) > 0)
    require(bool(((owners >= 0) & (owners < len(first)) & (of >= 0) & (of < targets)).all()))
    sizes = np.diff(first, append=count)
    require(bool(((nodes >= 0) & (nodes < sizes[owners])).all()))
    said = np.zeros(count, bool)
    said[first[owners] + nodes] = True
    require(bool((said == leaf).all()))


def _check_depth(level: Any, children: Any) -> None:
    """`level`: the roots; `children` [2, nodes]: those of each, -1 for none."""
    for _ in range(DEEPEST):
        level = children[:, level].ravel()
        level = level[level >= 0]
        if not len(level):
            return
    require(False)


def _field(name: bytes) -> str:
    if name in _CHOICES:
        return "s"
    if name in _FLOATS or name == b"base_values":
        return "floats"
    return {b"nodes_modes": "strings", b"n_targets": "i"}.get(name, "ints")


def _numbers(items: Sequence[int]) -> Any:
    """int64 [n]."""
    import numpy as np  # noqa: PLC0415 - as above

    return np.concatenate([np.zeros(0, np.int64), *(np.array(part, np.int64) for part in _parts(items))])


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE))
