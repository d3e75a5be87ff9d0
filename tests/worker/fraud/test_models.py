"""The files that ship: that they load, keep the contract, and answer as they did when they were measured."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from fraud.export import signature
from fraud.features import FEATURES
from fraud.train import MODELS, RECIPES
from gateway.training.signature import read_signature

# Payments made up here. The first: 42.50 on a weekday's noon, by a customer who pays 40 to 50, at a terminal
# without a fraud in a month.
USUAL = dict(zip(FEATURES, (42.5, 0, 0, 3, 40.0, 19, 45.0, 80, 47.0, 1, 0.0, 7, 0.0, 30, 0.0), strict=True))
LARGE = {  # not for this customer
    **USUAL,
    "TX_AMOUNT": 260.0,
    "CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW": 130.0,
    "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW": 100.0,
    "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW": 95.0,
}
LOST = {
    **USUAL,
    "TERMINAL_ID_RISK_1DAY_WINDOW": 1.0,
    "TERMINAL_ID_RISK_7DAY_WINDOW": 1.0,
    "TERMINAL_ID_RISK_30DAY_WINDOW": 0.3,
}
STOLEN = {
    **USUAL,
    "TX_AMOUNT": 190.0,
    "CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW": 110.0,
    "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW": 75.0,
    "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW": 52.0,
}
PAYMENTS = (USUAL, LARGE, LOST, STOLEN)
# What the shipped files answered: the probability of fraud, and of the likeliest scenario.
FRAUD = (0.0015950, 0.9981880, 0.9988430, 0.9991770)
SCENARIO = (0.9984320, 0.9953680, 1.0, 0.9999160)


def asked(name: str, *payments: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    file = MODELS / f"{name}.onnx"
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    rows = np.array([[payment.get(one, np.nan) for one in FEATURES] for payment in payments], np.float32)
    label, probabilities = session.run(["label", "probabilities"], {"numbers": rows})
    return label, probabilities


@pytest.mark.parametrize(("name", "labels"), [("fraud", 2), ("fraud_scenario", 4)])
def test_the_signature_is_the_pairs_one_schema(name: str, labels: int) -> None:
    session = onnxruntime.InferenceSession(MODELS / f"{name}.onnx", providers=["CPUExecutionProvider"])
    metadata: dict[str, Any] = session.get_modelmeta().custom_metadata_map
    assert read_signature(metadata["signature"]) == signature(name, labels)


def test_both_are_small() -> None:
    assert sum((MODELS / f"{name}.onnx").stat().st_size for name in RECIPES) < 2_000_000


def test_the_shipped_pair_answers_as_it_was_measured() -> None:
    label, probabilities = asked("fraud", *PAYMENTS)
    assert label.tolist() == [0, 1, 1, 1]
    assert probabilities[:, 1].tolist() == pytest.approx(FRAUD, abs=1e-4)
    label, probabilities = asked("fraud_scenario", *PAYMENTS)
    assert label.tolist() == [0, 1, 2, 3]
    assert probabilities.max(axis=1).tolist() == pytest.approx(SCENARIO, abs=1e-4)


@pytest.mark.parametrize(("owner", "fraud"), [("CUSTOMER_ID", LOST), ("TERMINAL_ID", STOLEN)])
def test_without_one_past_the_other_decides(owner: str, fraud: dict[str, float]) -> None:
    known = [{name: one for name, one in row.items() if not name.startswith(owner)} for row in (USUAL, fraud)]
    label, probabilities = asked("fraud", *known)
    assert label.tolist() == [0, 1]
    assert probabilities[0, 1] < 0.02
