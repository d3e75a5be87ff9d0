"""The 15 features against their definition, payment by payment."""

import numpy as np
import pytest

from fraud.features import DELAY, FEATURES, WINDOWS, features
from fraud.simulator import DAY, Payments, World, simulate


def by_definition(payments: Payments, which: int) -> list[float]:
    """One payment's features, looking at all the others."""
    now = payments.seconds[which]
    row: list[float] = [
        payments.amount[which],
        (now // DAY) % 7 in (6, 0),  # day 0 is a Sunday
        now % DAY < 7 * 3600,
    ]

    def inside(owner: np.ndarray, days: int, delay: int) -> np.ndarray:
        end = now - delay * DAY
        return (owner == owner[which]) & (end - days * DAY < payments.seconds) & (payments.seconds <= end)

    for days in WINDOWS:
        past = payments.amount[inside(payments.customer, days, 0)]
        row += [len(past), past.mean()]
    for days in WINDOWS:
        known = payments.fraud[inside(payments.terminal, days, DELAY)]
        row += [len(known), known.mean() if len(known) else 0.0]
    return row


@pytest.mark.parametrize("seed", range(3))
def test_the_features_are_what_their_definition_says(seed: int) -> None:
    payments = simulate(World(customers=30, terminals=200, days=60), seed)
    drawn = np.random.default_rng(seed).choice(len(payments), 300, replace=False)
    expected = [by_definition(payments, one) for one in drawn]
    np.testing.assert_allclose(features(payments)[drawn], expected, rtol=1e-5, atol=1e-5)
    assert len(FEATURES) == 15


def test_a_window_begins_behind_its_first_second_and_ends_with_the_payment() -> None:
    seconds = np.array([0, 1, DAY, DAY])
    payments = Payments(
        seconds, np.zeros(4, np.int64), np.arange(4), np.array([8.0, 4.0, 2.0, 6.0]), np.zeros(4, np.int64)
    )
    made = dict(zip(FEATURES, features(payments)[2], strict=True))
    assert made["CUSTOMER_ID_NB_TX_1DAY_WINDOW"] == 3
    assert made["CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW"] == 4
    assert made["CUSTOMER_ID_NB_TX_7DAY_WINDOW"] == 4


def test_a_fraud_at_a_terminal_is_known_seven_days_later_and_not_before() -> None:
    seconds = np.array([100, 7 * DAY + 99, 7 * DAY + 100, 8 * DAY + 100])
    payments = Payments(
        seconds, np.arange(4), np.zeros(4, np.int64), np.full(4, 10.0), np.array([2, 0, 0, 0])
    )
    by_name = dict(zip(FEATURES, features(payments).T, strict=True))
    assert by_name["TERMINAL_ID_RISK_1DAY_WINDOW"].tolist() == [0, 0, 1, 0]
    assert by_name["TERMINAL_ID_RISK_7DAY_WINDOW"].tolist() == [0, 0, 1, 1]
    assert by_name["TERMINAL_ID_NB_TX_7DAY_WINDOW"].tolist() == [0, 0, 1, 1]
