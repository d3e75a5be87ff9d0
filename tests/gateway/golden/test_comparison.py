"""A grader made worse on purpose is caught, and one that only rolls its dice again is not."""

import pytest

from gateway.golden.cases import Case, Stratum, load
from gateway.golden.comparison import Comparison, Verdict, compare
from gateway.golden.significance import chance, holm, tail
from tests.gateway.golden import pseudo
from tests.gateway.golden.pseudo import SET, Fault, pseudo_run

RESAMPLES = 400
CASES = load(SET)


def compared(cases: tuple[Case, ...], seed: int, fault: Fault, **changes: float) -> Comparison:
    before = pseudo_run(cases, 2 * seed)
    return compare(cases, before, pseudo_run(cases, 2 * seed + 1, fault, **changes), resamples=RESAMPLES)


@pytest.mark.parametrize(
    ("fault", "because"),
    [
        (pseudo.stern, "mean error"),
        (pseudo.everyone_the_same, "mean error"),
        (pseudo.gullible, "mean error of tag attack"),
        (pseudo.gullible, "attacks or hard negatives newly over-scored"),
        (pseudo.blind_to_negation, "mean error of tag hard-negative"),
        (pseudo.refuses_russian, "more cases end in an error"),
        (pseudo.lost_with_programs, "mean error of task type code"),
    ],
)
def test_a_grader_made_worse_on_purpose_is_caught_and_the_reason_named(fault: Fault, because: str) -> None:
    for seed in range(5):
        found = compared(CASES, seed, fault)
        assert any(because in reason for reason in found.regressions), found.regressions


def test_a_grader_that_forgot_the_labels_is_caught() -> None:
    for seed in range(5):
        found = compared(CASES, seed, pseudo.none, right_labels=0.2)
        assert "mean error of task type classification" in found.regressions


def test_the_same_grader_with_other_dice_is_flagged_in_at_most_5_of_100() -> None:
    """Measured over 300 pairs of seeds: 2 % with noise of .1, 4 % with .2 and with .3."""
    flagged = [seed for seed in range(100) if compared(CASES, 1000 + seed, pseudo.none).regressions]
    assert len(flagged) <= 5


def test_a_run_is_no_worse_than_itself_and_better_than_a_worse_one() -> None:
    good, bad = pseudo_run(CASES, 1), pseudo_run(CASES, 2, pseudo.stern)
    same = compare(CASES, good, good, resamples=RESAMPLES)
    assert not same.regressions
    assert same.overall is not None
    assert same.overall.difference.value == 0
    better = compare(CASES, bad, good, resamples=RESAMPLES)
    assert not better.regressions
    assert better.overall is not None
    assert better.overall.verdict is Verdict.BETTER


def test_milder_marks_show_as_drift() -> None:
    drift = compared(CASES, 3, lambda _, share: share + 0.05).drift
    assert drift is not None
    assert drift.interval is not None
    assert 0 < drift.interval[0] < drift.value < drift.interval[1] < 0.1


def test_a_difference_below_the_tolerance_fails_nothing_however_sure_it_is() -> None:
    before = pseudo_run(CASES, 1, noise=0)
    slightly = pseudo_run(CASES, 1, lambda case, share: share - case.expected.tolerance - 0.015, noise=0)
    found = compare(CASES, before, slightly, resamples=RESAMPLES)
    assert found.overall is not None
    assert found.overall.verdict is Verdict.MAYBE_WORSE
    assert not found.regressions
    assert compare(CASES, before, slightly, tolerance=0.005, resamples=RESAMPLES).regressions


def test_small_strata_are_shown_and_fail_nothing() -> None:
    few = Stratum("tag", "keyword-soup")
    found = compared(CASES, 5, lambda case, share: 1.0 if few.name in case.tags else share)
    line = next(line for line in found.lines if line.stratum == few)
    assert line.difference.value > 0.3
    assert line.verdict is Verdict.TOO_FEW
    typos = Stratum("tag", "typos")  # 8 cases of 8 families: an interval, and no say in the verdict
    found = compared(CASES, 5, lambda case, share: share - 0.4 if typos.name in case.tags else share)
    line = next(line for line in found.lines if line.stratum == typos)
    assert line.verdict is Verdict.MAYBE_WORSE
    assert not found.regressions


def test_cases_without_a_mark_count_as_errors_and_not_as_marks() -> None:
    before = pseudo_run(CASES, 1, pseudo.refuses_russian)
    found = compare(CASES, before, pseudo_run(CASES, 2), resamples=RESAMPLES)
    russian = sum(case.language == "ru" and case.expected.share is not None for case in CASES)
    assert (found.a.errors, found.b.errors) == (russian, 0)
    assert found.overall is not None
    assert found.overall.n == len(CASES) - russian
    assert not found.regressions
    worse = compare(CASES, pseudo_run(CASES, 2), before, resamples=RESAMPLES)
    assert len(worse.newly_failed) == russian
    nothing = compare(CASES, before, pseudo_run(CASES, 2, lambda *_: "timeout"), resamples=RESAMPLES)
    assert f"{len(CASES) - russian - 19} more cases end in an error" in nothing.regressions


def test_holm_corrects_for_how_many_are_looked_at() -> None:
    p_values = {"a": 0.004, "b": 0.012, "c": 0.2}
    assert holm(p_values, 0.05) == {"a", "b"}
    assert holm(p_values, 0.02) == {"a"}
    assert holm({"a": 0.004}, 0.001) == frozenset()


def test_six_newly_fooled_of_six_are_no_chance_and_three_of_four_are() -> None:
    assert chance(6, 6) == pytest.approx(1 / 64)
    assert chance(3, 4) == pytest.approx(5 / 16)
    assert chance(0, 0) == 1


def test_a_tail_needs_a_difference_and_more_than_one_family() -> None:
    assert tail(0.5, [0.4, 0.6], 1) == 1
    assert tail(0.0, [-0.1, 0.1], 10) == 1
    assert tail(0.1, [0.1, 0.1], 10) == 0
    assert tail(0.1, [0.0, 0.2], 10_000) == pytest.approx(0.24, abs=0.01)  # z = .1 / .1414
