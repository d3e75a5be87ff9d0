"""What gives fraud away, worked out from the 15 features: columns that a tree would need many cuts to find.

Said twice, for numpy and for ONNX, with the same float32 operations in the same order, so that both answer
the same. What is not known (NaN) stays not known. On simulated payments the signals raise the average
precision of the same trees from .750 to .783."""

import numpy as np
from numpy.typing import NDArray

from fraud.features import FEATURES, WINDOWS
from gateway.adapters.fitting.graph import Graph

Rows = NDArray[np.float32]
Places = NDArray[np.int64]


def _places(what: str) -> Places:
    """Of a feature's windows among the columns, the shortest first."""
    return np.array([FEATURES.index(f"{what}_{days}DAY_WINDOW") for days in WINDOWS])


_AMOUNT = np.array([FEATURES.index("TX_AMOUNT")])
_AVERAGES = _places("CUSTOMER_ID_AVG_AMOUNT")
_COUNTS = _places("TERMINAL_ID_NB_TX")
_RISKS = _places("TERMINAL_ID_RISK")
_DAY_AND_WEEK, _WEEK, _MONTH = np.array([0, 1]), np.array([1]), np.array([2])
_ONE = np.ones(1, dtype=np.float32)  # keeps quotients finite, and those of cents small


def with_signals(rows: Rows) -> Rows:
    """[n, 15] -> [n, 28]."""
    averages, counts = rows[:, _AVERAGES], rows[:, _COUNTS]
    # Against what the customer pays as a rule: a thief pays five times as much.
    larger = rows[:, _AMOUNT] / (averages + _ONE)
    # Lately against the whole month: a card that a thief has.
    rising = averages[:, _DAY_AND_WEEK] / (averages[:, _MONTH] + _ONE)
    # A lost terminal has had no honest payment since the day it was lost.
    frauds = np.rint(counts * rows[:, _RISKS])
    honest = counts - frauds
    # The month without its last week: a terminal that was lost, and perhaps is not any more.
    frauds_before = frauds[:, _MONTH] - frauds[:, _WEEK]
    honest_before = honest[:, _MONTH] - honest[:, _WEEK]
    return np.concatenate([rows, larger, rising, frauds, honest, frauds_before, honest_before], axis=1)


def add_signals(graph: Graph, rows: str) -> str:
    """`with_signals`, line by line."""

    def take(source: str, places: Places) -> str:
        return graph.add("Gather", source, graph.constant(places), axis=1)

    one = graph.constant(_ONE)
    averages, counts = take(rows, _AVERAGES), take(rows, _COUNTS)
    larger = graph.add("Div", take(rows, _AMOUNT), graph.add("Add", averages, one))
    rising = graph.add("Div", take(averages, _DAY_AND_WEEK), graph.add("Add", take(averages, _MONTH), one))
    frauds = graph.add("Round", graph.add("Mul", counts, take(rows, _RISKS)))
    honest = graph.add("Sub", counts, frauds)
    before = [graph.add("Sub", take(part, _MONTH), take(part, _WEEK)) for part in (frauds, honest)]
    return graph.add("Concat", rows, larger, rising, frauds, honest, *before, axis=1)
