"""What is made of outcomes, and when a row counts as passed."""

import math

import pytest

from chaos.client import End, Outcome
from chaos.figures import from_then_on, goodput, percentile, slope_per_hour, tally
from chaos.verdict import Row, markdown


def outcome(due: float, *, good: bool = True, took: float = 0.1) -> Outcome:
    status, code = (200, "") if good else (503, "overloaded")
    return Outcome("chat", due, due + took, due + took, End.WHOLE, status, code, None if good else 1.0)


def test_a_percentile_of_nothing_passes_no_bound() -> None:
    row = Row("empty")
    row.at_most("p99", percentile([], 0.99), 1.0, "ms")
    row.at_least("p99", percentile([], 0.99), 0.0)

    assert [check.passed for check in row.checks] == [False, False]
    assert "nothing measured" in markdown([row])


def test_a_percentile_is_the_nearest_rank() -> None:
    assert percentile(range(100), 0.99) == 99
    assert percentile(range(100), 0.5) == 50
    assert percentile([3.0], 1.0) == 3.0


def test_goodput_counts_what_ended_good_within_the_time() -> None:
    found = [outcome(0.5), outcome(1.5), outcome(1.95), outcome(1.0, good=False)]

    assert goodput(found, 1.0, 2.0) == 1.0


def test_from_then_on_is_the_first_moment_after_which_it_stays_so() -> None:
    found = [outcome(t, good=t not in (1, 3)) for t in range(10)]

    assert from_then_on(found, lambda one: one.is_good, 1.0) == 4
    assert from_then_on(found, lambda one: one.is_good, 0.8) == 0
    assert from_then_on(found, lambda one: one.status == 404, 1.0) is None


def test_growth_is_told_as_a_share_of_the_mean_an_hour() -> None:
    assert slope_per_hour([(t, 100.0) for t in range(60)]) == 0
    assert slope_per_hour([(t, 100.0 + t / 3600) for t in range(60)]) == pytest.approx(0.01, rel=1e-3)
    assert math.isnan(slope_per_hour([(0, 1.0)]))


def test_a_tally_names_what_went_wrong() -> None:
    cut = Outcome("stream", 0, 0, 0, End.CUT, 200)

    assert tally([outcome(0), outcome(1), cut, outcome(2, good=False)]) == (
        "200: 2, 200 (cut): 1, 503 overloaded: 1"
    )


def test_a_row_without_a_check_or_that_broke_off_has_not_passed() -> None:
    broken = Row("broken", broke_off="within 5 s not: it ends")
    broken.equal("lost", 0, 0)
    good = Row("good")
    good.equal("lost", 0, 0)

    assert not Row("empty").passed
    assert not broken.passed
    assert good.passed
    assert "FAILED: broken" in markdown([good, broken])
    assert "Every row passed." in markdown([good])
