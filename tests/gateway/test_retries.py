"""How often something may be asked once more."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.retries import RetryBudget, pause_s


@given(st.lists(st.integers(0, 3), max_size=400), st.sampled_from([0.05, 0.2, 1.0]))
def test_retries_are_a_share_of_requests_or_the_small_reserve(tries: list[int], share: float) -> None:
    budget, retries = RetryBudget(share, 0.0), 0
    for number, wanted in enumerate(tries, 1):
        budget.pay(0.0)
        retries += sum(budget.take() for _ in range(wanted))
        assert retries <= max(2, share * number + 1e-6)


def test_what_is_refused_is_told_and_nothing_is_lent_where_nothing_is_tried_again() -> None:
    refused: list[int] = []
    budget = RetryBudget(0.0, 0.0, lambda: refused.append(1))
    budget.pay(0.0)
    budget.pay(100.0)
    assert not budget.take()
    assert refused == [1]


def test_the_reserve_is_lent_again_after_a_calm_while_and_savings_have_a_bound() -> None:
    budget = RetryBudget(0.2, 0.0)
    while budget.take():
        pass
    budget.pay(1.0)
    assert not budget.take()
    budget.pay(100.0)
    assert [budget.take(), budget.take(), budget.take()] == [True, True, False]
    for _ in range(10_000):
        budget.pay(100.0)
    assert sum(budget.take() for _ in range(10_000)) == 100


def test_pauses_are_spread_over_their_range() -> None:
    assert (pause_s(lambda: 0.0), pause_s(lambda: 1.0)) == (0.01, 0.1)
