"""The measures against small cases worked out by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fraud.measures import (
    Judged,
    auc,
    calibration_error,
    card_precision,
    f1_of,
    figures,
    macro_f1,
    reliability,
)


def judged(days: list[int], customers: list[int], scenarios: list[int], fraud: list[float]) -> Judged:
    told = np.stack([1 - np.array(fraud), np.array(fraud)], axis=1)
    return Judged(np.array(days), np.array(customers), np.array(scenarios), np.array(fraud), told)


def once(one: Judged) -> np.ndarray:
    return np.ones(len(one.day))


def random(seed: int, count: int = 400) -> Judged:
    draw = np.random.default_rng(seed)
    scenario = draw.choice(4, count, p=[0.7, 0.1, 0.1, 0.1])
    said = draw.dirichlet(np.ones(4), count) + 0.5 * np.eye(4)[scenario]
    said /= said.sum(axis=1, keepdims=True)
    return Judged(draw.integers(0, 3, count), draw.integers(0, 60, count), scenario, 1 - said[:, 0], said)


def test_of_the_two_cards_checked_a_day_the_share_with_a_fraud_is_told() -> None:
    seen = judged([0, 0, 0, 0], [1, 1, 2, 3], [0, 2, 0, 3], [0.1, 0.9, 0.8, 0.7])
    assert card_precision(2)(seen, once(seen)) == 0.5


def test_a_card_that_was_found_is_not_checked_again() -> None:
    seen = judged([0, 1, 1], [1, 1, 2], [1, 1, 0], [0.9, 0.9, 0.5])
    assert card_precision(1)(seen, once(seen)) == 0.5


def test_a_card_drawn_twice_takes_two_places() -> None:
    seen = judged([0, 0], [1, 2], [1, 0], [0.9, 0.5])
    assert card_precision(2)(seen, np.array([1.0, 1.0])) == 0.5
    assert card_precision(2)(seen, np.array([2.0, 0.0])) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_f1_is_scikit_learns(seed: int) -> None:
    seen = random(seed)
    weight = np.random.default_rng(seed).integers(0, 3, len(seen.day)).astype(float)
    expected = f1_score(
        seen.scenario, seen.scenarios.argmax(axis=1), labels=range(4), average=None, sample_weight=weight
    )
    assert [f1_of(one)(seen, weight) for one in range(4)] == pytest.approx(expected.tolist())
    assert macro_f1(seen, weight) == pytest.approx(expected.mean())


def test_probabilities_that_come_true_have_no_calibration_error() -> None:
    seen = judged([0] * 4, [1, 2, 3, 4], [0, 1, 0, 1], [0.5, 0.5, 0.0, 1.0])
    assert calibration_error(seen, once(seen)) == 0
    assert sum(one.payments for one in reliability(seen, once(seen))) == 4
    boasting = judged([0] * 4, [1, 2, 3, 4], [0, 0, 0, 1], [0.95, 0.95, 0.95, 0.95])
    assert calibration_error(boasting, once(boasting)) == pytest.approx(0.7)


def test_an_interval_holds_its_value_and_is_wider_where_there_are_fewer_cards() -> None:
    few, many = (figures(random(0, count), {"AUC": auc}, resamples=100)["AUC"] for count in (60, 2_000))
    assert few.low <= few.value <= few.high
    assert few.high - few.low > many.high - many.low
