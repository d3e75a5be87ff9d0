import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.rates import MemoryRates
from gateway.domain import Caller, Role
from gateway.errors import RateLimited

CALLER = Caller("bot", Role.GRADER, 60)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_may_come_at_once_and_then_one_a_second() -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    assert [rates.spend(CALLER).remaining for _ in range(60)][-1] == 0
    with pytest.raises(RateLimited) as refusal:
        rates.spend(CALLER)
    assert refusal.value.retry_after == pytest.approx(1.0)
    clock.now = 1.0
    rates.spend(CALLER)


def test_callers_do_not_spend_each_others_rate() -> None:
    rates = MemoryRates(Clock())
    for _ in range(60):
        rates.spend(CALLER)
    assert rates.spend(Caller("other", Role.GRADER, 60)).remaining == 59


@given(st.lists(st.floats(0, 5), min_size=1, max_size=300), st.integers(1, 120))
def test_no_pattern_of_requests_beats_the_rate(pauses: list[float], limit: int) -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    caller = Caller("bot", Role.GRADER, limit)
    admitted = 0
    for pause in pauses:
        clock.now += pause
        try:
            rates.spend(caller)
        except RateLimited:
            continue
        admitted += 1
    assert admitted <= limit + clock.now * limit / 60 + 1e-6
