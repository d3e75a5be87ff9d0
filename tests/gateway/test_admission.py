"""The adaptive limit against simulated servers, whose capacity the tests know and the limit does not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admission import FIRST_LIMIT, AdaptiveLimit, FixedLimit
from gateway.baselines import Baselines, shape_of
from tests.gateway.simulation import Kind, always, exponential, simulated

SHAPE = shape_of("chat", 100, 10)


def limit_of(most: int = 256) -> AdaptiveLimit:
    return AdaptiveLimit(most, 4, 2.0, 0.0)


@pytest.mark.parametrize(("slots", "overload"), [(8, 2), (8, 5), (8, 10), (32, 2), (32, 10), (100, 2)])
def test_under_overload_a_server_answers_at_capacity_and_nobody_waits_twice_as_long(
    slots: int, overload: int
) -> None:
    told = simulated(limit_of(), slots, always(0.05), overload * slots / 0.05, 40)
    assert told.rate(5, 40) >= 0.95 * slots / 0.05
    assert told.slowest(0.99, 5, 40) <= 2 * 0.05
    limits = sorted(told.limits_in(5, 40))
    assert slots <= limits[len(limits) // 2] <= 2 * slots


def test_without_a_limit_the_same_overload_makes_everybody_wait() -> None:
    told = simulated(FixedLimit(256), 8, always(0.05), 2 * 8 / 0.05, 20)
    assert told.slowest(0.99, 5, 20) > 10 * 0.05


@pytest.mark.parametrize("slots", [8, 32])
def test_times_that_vary_as_much_as_they_can_do_not_make_the_limit_fall(slots: int) -> None:
    # After half a minute: when overload is the first thing that it sees, it cannot know the times at first.
    found = [
        simulated(limit_of(), slots, exponential(0.05), 3 * slots / 0.05, 60, seed=seed).rate(30, 60)
        for seed in range(3)
    ]
    assert sorted(found)[1] >= 0.85 * slots / 0.05


@pytest.mark.parametrize(
    ("growth", "slots"), [(0.5, 32), (0.9, 64), (0.3, 128)], ids=["half", "nearly double", "little"]
)
def test_a_server_that_batches_keeps_the_throughput_that_it_has_within_the_tolerance(
    growth: float, slots: int
) -> None:
    told = simulated(
        limit_of(), slots, lambda _, __, taken: 0.1 * (1 + growth * taken / slots), 3 * slots / 0.1, 40
    )
    best = slots / (0.1 * (1 + growth))
    assert told.rate(10, 40) >= 0.88 * best


def test_a_server_that_grows_ten_times_slower_is_used_again_before_long_and_so_when_it_is_back() -> None:
    told = simulated(
        limit_of(), 8, lambda _, now, __: 1.0 if 20 <= now < 60 else 0.1, 2 * 8 / 0.1, 100, seed=1
    )
    assert told.rate(35, 60) >= 0.8 * 8 / 1.0
    assert told.rate(75, 100) >= 0.95 * 8 / 0.1
    assert told.slowest(0.99, 75, 100) <= 2.1 * 0.1


def test_lasting_overload_does_not_pass_for_the_usual_time() -> None:
    told = simulated(limit_of(), 8, always(0.05), 3 * 8 / 0.05, 240)
    assert told.slowest(0.99, 180, 240) <= 2 * 0.05


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3))
def test_another_mix_of_short_and_long_answers_never_makes_the_limit_fall(
    seed: int, shares: list[float]
) -> None:
    """A long answer takes twenty times as long. The server is half busy throughout."""
    slots, short_s = 16, 0.05

    def share(now: float) -> float:
        return shares[min(2, int(now / 20))]

    def kind(chance: random.Random, now: float) -> Kind:
        return Kind(4_000, 500, 20.0) if chance.random() < share(now) else Kind()

    def rate(now: float) -> float:
        return 0.5 * slots / (short_s * (1 + 19 * share(now)))

    told = simulated(limit_of(), slots, always(short_s), rate, 60, kind=kind, seed=seed)
    assert min(told.limits_in(0, 60)) >= slots * 0.3
    # At half of the capacity a crowd over the limit is chance.
    assert len(told.refused) <= 0.05 * len(told.done) + 5


@pytest.mark.parametrize("tolerance", [1.3, 1.5, 2.0, 3.0])
def test_from_the_floor_it_comes_back_to_what_the_server_has(tolerance: float) -> None:
    limit = AdaptiveLimit(256, 4, tolerance, 0.0)
    for second in range(30):
        limit.dropped(second - 30.0, second - 29.5)
    told = simulated(limit, 16, always(0.05), 2 * 16 / 0.05, 30)
    assert told.rate(15, 30) >= 0.9 * 16 / 0.05


def test_hiccups_of_a_server_that_has_room_refuse_hardly_anybody() -> None:
    def time(chance: random.Random, now: float, taken: int) -> float:
        return 0.05 * chance.lognormvariate(0, 0.5) * (5 if chance.random() < 0.03 else 1)

    told = simulated(limit_of(), 32, time, 200, 40)
    assert len(told.refused) <= 0.02 * len(told.done)


def test_a_burst_at_a_cold_start_finds_places() -> None:
    assert limit_of().now == FIRST_LIMIT == 64
    assert limit_of(most=8).now == 8


def test_it_grows_to_what_is_asked_of_a_server_that_bears_it_and_no_further() -> None:
    told = simulated(limit_of(), 200, always(0.1), 1_000, 15)
    assert not [when for when in told.refused if when > 8]
    assert told.limits[-1][1] < 256


def test_what_says_that_it_is_too_much_cuts_once_for_all_that_were_there() -> None:
    limit = limit_of()
    for _ in range(20):
        limit.dropped(1.0, 2.0)
    assert limit.now == 44
    limit.dropped(2.5, 3.0)
    assert limit.now == 31


def test_it_never_falls_below_the_least() -> None:
    limit = limit_of()
    for second in range(20):
        limit.dropped(second + 0.5, second + 1.0)
    assert limit.now == 4


@pytest.mark.parametrize("crowd", [1, 2, 3, 4, 8])
def test_a_limit_that_fell_comes_back_without_a_crowd_when_all_is_well(crowd: int) -> None:
    limit, now = limit_of(), 0.0

    def answers(seconds: float) -> None:
        nonlocal now
        for _ in range(int(seconds / 0.05)):
            now += 0.05
            limit.answered(SHAPE, min(crowd, limit.now), now - 0.1, now)

    answers(10)
    for _ in range(30):
        now += 1
        limit.dropped(now - 0.5, now)
    assert limit.now == 4
    answers(60)
    assert 15 <= limit.now < FIRST_LIMIT
    answers(120)
    assert limit.now == FIRST_LIMIT


def test_under_lasting_overload_it_does_not_drift() -> None:
    told = simulated(limit_of(), 8, always(0.05), 3 * 8 / 0.05, 120)
    assert max(told.limits_in(20, 120)) <= 1.8 * 8


def test_a_server_that_refuses_now_and_then_is_not_asked_for_more() -> None:
    limit, now = limit_of(), 0.0
    for number in range(6_000):
        now += 0.05
        limit.answered(SHAPE, 1, now - 0.1, now)
        if number % 180 == 179:  # every nine seconds
            limit.dropped(now - 0.01, now)
    assert limit.now == 4


def test_shapes_are_bounded_and_the_oldest_goes() -> None:
    baselines = Baselines()
    for size in range(300):
        for _ in range(8):
            baselines.ratio(("chat", size, 0), 1.0, 1)
    assert baselines.ratio(("chat", 299, 0), 2.0, 1) == pytest.approx(2.0, rel=0.01)
    assert baselines.ratio(("chat", 0, 0), 2.0, 1) is None
