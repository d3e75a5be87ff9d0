"""What gives fraud away, worked out from the 15 features: columns that a tree would need many cuts to find.

Part of both models and of their ONNX files; all in float32, so that both answer the same. What is not known
(NaN) stays not known."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from skl2onnx import update_registered_converter
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxConcat, OnnxDiv, OnnxGather, OnnxMul, OnnxRound, OnnxSub
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator, TransformerMixin

from fraud.features import FEATURES, WINDOWS

Floats = NDArray[np.float32]


def _places(what: str) -> NDArray[np.int64]:
    """Of a feature's three windows among the columns."""
    return np.array([FEATURES.index(f"{what}_{days}DAY_WINDOW") for days in WINDOWS])


_AMOUNT = np.array([FEATURES.index("TX_AMOUNT")])
_AVERAGES = _places("CUSTOMER_ID_AVG_AMOUNT")
_COUNTS = _places("TERMINAL_ID_NB_TX")
_RISKS = _places("TERMINAL_ID_RISK")
_DAY, _WEEK, _MONTH = (np.array([place]) for place in range(3))
_ONE = np.array([1.0], dtype=np.float32)  # keeps the quotients finite and those of cents small
SIGNALS = 3 + 3 + 3 + 2


class Signals(TransformerMixin, BaseEstimator):
    """[n, 15] -> [n, 26]: the features, and behind them what `transform` adds."""

    def fit(self, rows: Floats, labels: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        self.n_features_in_ = rows.shape[1]
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, rows: Floats) -> Floats:
        rows = np.asarray(rows, dtype=np.float32)
        averages, counts = rows[:, _AVERAGES], rows[:, _COUNTS]
        # Against what the customer pays as a rule: a thief pays five times as much.
        larger = rows[:, _AMOUNT] / (averages + _ONE)
        # A terminal's frauds and honest payments: one that is lost has none of these since the day it was.
        frauds = np.rint(counts * rows[:, _RISKS])
        honest = counts - frauds
        # The month without its last week: a terminal that was lost, and is not any more.
        earlier = [part[:, _MONTH] - part[:, _WEEK] for part in (frauds, honest)]
        return np.concatenate([rows, larger, frauds, honest, *earlier], axis=1)


def _declare(operator: object) -> None:
    """Tells skl2onnx the shape."""
    width = len(FEATURES) + SIGNALS
    operator.outputs[0].type = FloatTensorType([None, width])  # type: ignore[attr-defined]


def _convert(scope: object, operator: object, container: object) -> None:
    """`transform`, line by line, in ONNX."""
    opset = container.target_opset  # type: ignore[attr-defined]
    rows = operator.inputs[0]  # type: ignore[attr-defined]

    def take(source: object, places: NDArray[np.int64]) -> object:
        return OnnxGather(source, places, axis=1, op_version=opset)

    averages, counts = take(rows, _AVERAGES), take(rows, _COUNTS)
    larger = OnnxDiv(take(rows, _AMOUNT), OnnxAdd(averages, _ONE, op_version=opset), op_version=opset)
    frauds = OnnxRound(OnnxMul(counts, take(rows, _RISKS), op_version=opset), op_version=opset)
    honest = OnnxSub(counts, frauds, op_version=opset)
    earlier = [
        OnnxSub(take(part, _MONTH), take(part, _WEEK), op_version=opset) for part in (frauds, honest)
    ]
    made = OnnxConcat(
        rows,
        larger,
        frauds,
        honest,
        *earlier,
        axis=1,
        op_version=opset,
        output_names=operator.outputs,  # type: ignore[attr-defined]
    )
    made.add_to(scope, container)


def teach_skl2onnx() -> None:
    """Once before a model with Signals is exported."""
    update_registered_converter(Signals, "FraudSignals", _declare, _convert)
