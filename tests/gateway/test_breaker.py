"""When a server is left alone, and when it is asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.breaker import Breaker, BreakerPolicy, Outcome, Passage, Standing, outcome_of
from gateway.errors import (
    BackendBusy,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ContextLengthExceeded,
    DeadlineExceeded,
    GatewayError,
    InvalidRequest,
    Overloaded,
)

POLICY = BreakerPolicy(failures=3, open_s=1.0, open_max_s=4.0, least=4, window_s=10.0, refusals=6)


def breaker(policy: BreakerPolicy = POLICY) -> Breaker:
    return Breaker(policy, lambda: 1.0)


def call(one: Breaker, outcome: Outcome, now: float = 0.0) -> None:
    passage = one.begin(now)
    assert passage is not None
    one.end(passage, outcome, now)


def fallen(now: float = 0.0) -> Breaker:
    one = breaker()
    for _ in range(POLICY.failures):
        call(one, Outcome.FAILED, now)
    assert one.standing(now) is Standing.OPEN
    return one


def test_failures_in_a_row_open_it_and_a_good_answer_between_them_does_not() -> None:
    one = breaker(BreakerPolicy(failures=3, least=100))
    for outcome in (Outcome.FAILED, Outcome.FAILED, Outcome.WELL) * 5:
        call(one, outcome)
    assert one.standing(0) is Standing.CLOSED
    for _ in range(3):
        call(one, Outcome.FAILED)
    assert one.begin(0) is None


def test_half_of_the_calls_of_the_last_seconds_open_it() -> None:
    one = breaker()
    for now in range(3):
        call(one, Outcome.FAILED if now % 2 else Outcome.WELL, now)
    assert not one.is_open
    call(one, Outcome.FAILED, 3)
    assert one.is_open
    one = breaker()
    for now in range(0, 100, 20):  # each is forgotten before the next one
        call(one, Outcome.FAILED if now % 40 else Outcome.WELL, now)
    assert not one.is_open


def test_leavers_open_nothing_and_refusals_only_after_many() -> None:
    one = breaker()
    for _ in range(100):
        call(one, Outcome.NOTHING)
    for _ in range(POLICY.refusals - 1):
        call(one, Outcome.BUSY)
    assert not one.is_open
    call(one, Outcome.BUSY)
    assert one.is_open


def test_half_open_one_passes_and_decides() -> None:
    one = fallen()
    trial = one.begin(1.0)
    assert trial is not None
    assert one.begin(1.0) is None
    one.end(trial, Outcome.NOTHING, 1.0)  # its caller left: another one may try
    again = one.begin(1.0)
    assert again is not None
    one.end(again, Outcome.WELL, 1.0)
    assert one.standing(1.0) is Standing.CLOSED
    assert one.begin(1.0) is not None


def test_each_opening_soon_after_the_last_is_twice_as_long_up_to_the_most() -> None:
    one, now = fallen(), 0.0
    for expected in (1.0, 2.0, 4.0, 4.0):
        assert one.wait_s(now) == pytest.approx(expected)
        now += expected
        call(one, Outcome.FAILED, now)
    now += 4.0
    call(one, Outcome.WELL, now)
    now += POLICY.window_s
    for _ in range(POLICY.failures):
        call(one, Outcome.FAILED, now)
    assert one.wait_s(now) == pytest.approx(1.0)


def test_a_late_failure_of_a_call_from_before_the_fall_says_nothing_any_more() -> None:
    one = breaker()
    late = [one.begin(0.0) for _ in range(20)]
    for _ in range(POLICY.failures):
        call(one, Outcome.FAILED)
    call(one, Outcome.WELL, 1.0)
    for passage in late:
        assert passage is not None
        one.end(passage, Outcome.FAILED, 1.0)
    assert not one.is_open


def test_a_silent_probe_is_forgotten_with_the_next_good_answer() -> None:
    one = breaker()
    for now in range(20):
        one.probed(float(now), answered=False)
        call(one, Outcome.WELL, float(now))
    assert one.standing(20.0) is Standing.CLOSED


def test_two_silent_probes_open_it_and_the_first_that_is_answered_closes_it() -> None:
    one = breaker()
    one.probed(0.0, answered=False)
    one.probed(0.1, answered=True)
    one.probed(0.2, answered=False)
    assert not one.is_open
    one.probed(0.3, answered=False)
    assert one.is_open
    one.probed(9.0, answered=False)
    assert not one.passes(9.0)  # however long ago it fell, it is not there
    one.probed(9.1, answered=True)
    assert one.standing(9.1) is Standing.CLOSED


def test_a_server_that_answers_probes_only_is_closed_on_probation() -> None:
    one = fallen()
    one.probed(1.0, answered=True)
    assert one.is_open  # it answered probes before, too: a call shall try it
    one.probed(1.5, answered=True)
    assert not one.is_open  # nobody called
    call(one, Outcome.FAILED, 1.5)
    assert one.wait_s(1.5) == pytest.approx(2.0)


def test_while_a_call_tries_a_server_others_wait_only_until_it_lasts() -> None:
    one = fallen()
    trial = one.begin(1.0)
    assert trial is not None
    one.probed(1.4, answered=True)
    assert one.begin(1.4) is None  # it may still fail, and then others would have too
    one.probed(1.5, answered=True)
    assert one.begin(1.5) is not None
    one.end(trial, Outcome.WELL, 9.0)
    assert one.standing(9.0) is Standing.CLOSED


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BackendUnavailable(""), Outcome.FAILED),
        (BackendTimeout(""), Outcome.FAILED),
        (BackendError(""), Outcome.FAILED),
        (BackendBusy(""), Outcome.BUSY),
        (InvalidRequest(""), Outcome.WELL),
        (ContextLengthExceeded(""), Outcome.WELL),
        (DeadlineExceeded(""), Outcome.NOTHING),
        (Overloaded(""), Outcome.NOTHING),
    ],
)
def test_what_an_error_says_of_the_server(error: GatewayError, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


STEPS = st.one_of(
    st.just("begin"),
    st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from(Outcome)),
    st.tuples(st.just("probe"), st.booleans()),
    st.tuples(st.just("wait"), st.floats(0.01, 3.0)),
)


@given(st.lists(STEPS, max_size=60), st.randoms(use_true_random=False))
def test_whatever_happens_one_call_tries_at_a_time_and_a_server_that_is_well_is_asked_again(
    steps: list[object], chance: object
) -> None:
    one = Breaker(POLICY, chance.random)  # type: ignore[attr-defined]
    now, under_way = 0.0, list[Passage]()
    for step in steps:
        match step:
            case "begin":
                before = one.standing(now)
                passage = one.begin(now)
                assert (passage is None) <= (before is not Standing.CLOSED)
                if passage is not None:
                    assert before is not Standing.OPEN
                    assert passage.trial is (before is Standing.HALF_OPEN)
                    under_way.append(passage)
            case ("end", int(which), Outcome() as outcome) if under_way:
                one.end(under_way.pop(which % len(under_way)), outcome, now)
            case ("probe", bool(answered)):
                one.probed(now, answered=answered)
            case ("wait", float(seconds)):
                now += seconds
        # Those of an earlier fall decide nothing any more.
        trials = [passage.epoch for passage in under_way if passage.trial]
        assert len(trials) == len(set(trials))
        assert one.wait_s(now) <= POLICY.open_max_s
        assert one.passes(now) <= (one.standing(now) is not Standing.OPEN)
    # The server is well from now on: within the longest pause a probe is answered, and it is asked.
    one.probed(now + POLICY.open_max_s, answered=True)
    assert one.begin(now + POLICY.open_max_s) is not None
