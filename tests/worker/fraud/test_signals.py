"""The signals: what they say of a payment, and that ONNX says the same."""

from functools import cache

import numpy as np
import onnxruntime
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto

from fraud.features import FEATURES
from fraud.signals import add_signals, with_signals
from gateway.adapters.fitting.graph import Graph

WIDTH = len(FEATURES) + 13


def test_a_payment_ten_times_its_customers_average_stands_out() -> None:
    row = np.zeros((1, len(FEATURES)), np.float32)
    row[0, FEATURES.index("TX_AMOUNT")] = 500
    row[0, FEATURES.index("CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW")] = 49
    assert with_signals(row)[0, len(FEATURES) + 2] == 10


def test_frauds_at_a_terminal_are_whole_even_where_the_risk_was_rounded() -> None:
    row = np.zeros((1, len(FEATURES)), np.float32)
    row[0, FEATURES.index("TERMINAL_ID_NB_TX_7DAY_WINDOW")] = 3
    row[0, FEATURES.index("TERMINAL_ID_RISK_7DAY_WINDOW")] = 0.3333
    frauds, honest = with_signals(row)[0, [len(FEATURES) + 6, len(FEATURES) + 9]]
    assert (frauds, honest) == (1, 2)


@cache
def session() -> onnxruntime.InferenceSession:
    graph = Graph()
    made = add_signals(graph, graph.input("numbers", TensorProto.FLOAT, len(FEATURES)))
    graph.add("ArgMax", made, output="label", axis=1, keepdims=0)
    graph.add("Identity", made, output="probabilities")
    return onnxruntime.InferenceSession(graph.model(WIDTH, {}), providers=["CPUExecutionProvider"])


@given(
    arrays(
        np.float32,
        (4, len(FEATURES)),
        elements=st.one_of(st.floats(0, 1e6, width=32), st.just(float("nan"))),
    )
)
def test_onnx_works_out_the_same_bits(rows: np.ndarray) -> None:
    [made] = session().run(["probabilities"], {"numbers": rows})
    np.testing.assert_array_equal(made, with_signals(rows))
