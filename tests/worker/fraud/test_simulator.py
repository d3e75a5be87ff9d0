"""The simulated world against the published one: how many payments there are, and how fraud shows."""

import numpy as np
import pytest

from fraud.simulator import DAY, Payments, World, simulate

SMALL = World(customers=300, terminals=1_200, days=40)


@pytest.fixture(scope="module")
def full() -> Payments:
    return simulate(World(), seed=11)


def test_a_full_world_has_as_many_payments_as_the_published_one(full: Payments) -> None:
    """1,754,155; their deviation from seed to seed is 14,500 by the customers' rates alone."""
    assert len(full) == pytest.approx(1_754_155, rel=0.04)


@pytest.mark.parametrize(
    ("scenario", "published", "near"), [(1, 973, 0.2), (2, 9_077, 0.08), (3, 4_631, 0.08)]
)
def test_and_as_many_frauds_of_each_kind(full: Payments, scenario: int, published: int, near: float) -> None:
    assert np.count_nonzero(full.scenario == scenario) == pytest.approx(published, rel=near)


def test_payments_are_in_order_around_noon_and_inside_the_world(full: Payments) -> None:
    time = full.seconds % DAY
    assert (np.diff(full.seconds) >= 0).all()
    assert time.mean() == pytest.approx(DAY / 2, rel=0.01)
    assert set(np.unique(full.day)) == set(range(183))
    assert full.customer.max() < 5_000
    assert full.terminal.max() < 10_000
    assert (full.amount >= 0).all()


def test_no_large_amount_is_honest(full: Payments) -> None:
    assert (full.scenario[full.amount > 220] > 0).all()
    assert (full.amount[full.scenario == 1] > 220).all()


def test_a_lost_terminal_takes_no_honest_payment_for_four_weeks() -> None:
    payments = simulate(World(customers=300, terminals=1_200, days=20, terminals_lost_a_day=5), seed=3)
    for terminal in np.unique(payments.terminal[payments.scenario == 2]):
        of_it = payments.terminal == terminal
        first = payments.day[of_it & (payments.scenario == 2)].min()
        assert (payments.scenario[of_it & (payments.day >= first)] > 0).all()


def test_a_stolen_card_pays_about_five_times_as_much() -> None:
    payments = simulate(SMALL, seed=5)
    thief = payments.scenario == 3
    ratios = []
    for customer in np.unique(payments.customer[thief]):
        of_it = payments.customer == customer
        if honest := payments.amount[of_it & (payments.scenario == 0)].tolist():
            ratios.append(payments.amount[of_it & thief].mean() / np.mean(honest))
    assert len(ratios) > 50
    assert np.median(ratios) == pytest.approx(5, rel=0.15)


def test_the_same_seed_makes_the_same_world_and_another_one_another() -> None:
    one, again, other = (simulate(SMALL, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.amount, again.amount)
    assert np.array_equal(one.scenario, again.scenario)
    assert not np.array_equal(one.amount[:100], other.amount[:100])


def test_a_customer_out_of_every_terminals_reach_pays_nowhere() -> None:
    assert len(simulate(World(customers=20, terminals=3, days=3), seed=0)) < 20 * 2 * 3
