"""Figures of agreement: known values, the properties of kappa, and what intervals rest on."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.grading.agreement import Figure, Pair, Third, agreement, level, percentile_interval

SHARES = st.floats(0, 1)
PAIRS = st.lists(st.builds(Pair, SHARES, SHARES, st.sampled_from(["", "q1", "q2", "q3"])), max_size=30)


def value(figure: Figure | None) -> float:
    assert figure is not None
    return figure.value


def textbook_kappa(pairs: list[Pair], levels: int) -> float:
    """1 - sum(w * observed) / sum(w * expected) over the whole table, as Cohen writes it."""
    seen = [(level(pair.machine, levels), level(pair.human, levels)) for pair in pairs]
    cells = [(i, j) for i in range(levels) for j in range(levels)]
    rows = [sum(i == k for i, _ in seen) for k in range(levels)]
    columns = [sum(j == k for _, j in seen) for k in range(levels)]
    observed = sum((i - j) ** 2 * seen.count((i, j)) for i, j in cells)
    expected = sum((i - j) ** 2 * rows[i] * columns[j] / len(seen) for i, j in cells)
    return 1 - observed / expected


def test_kappa_is_the_textbooks_weighted_table() -> None:
    draws = random.Random(3)
    pairs = [Pair(draws.random(), draws.random()) for _ in range(40)]
    for levels in (2, 3, 5, 10):
        found = value(agreement(pairs, levels=levels, resamples=10).overall.kappa)
        assert found == pytest.approx(textbook_kappa(pairs, levels))


def test_figures_of_a_small_table_by_hand() -> None:
    marks = [(1.0, 1.0), (0.5, 0.7), (0.2, 0.9), (0.1, 0.0)]
    overall = agreement([Pair(machine, human) for machine, human in marks]).overall
    assert overall.n == overall.groups == 4
    assert value(overall.exact) == 0.5  # levels 4-4, 2-3, 1-4, 0-0
    assert value(overall.adjacent) == 0.75
    assert value(overall.mae) == pytest.approx(0.25)
    assert value(overall.bias) == pytest.approx(-0.2)


@given(st.lists(SHARES, min_size=2, max_size=30), st.integers(2, 10))
def test_identical_marks_of_several_levels_have_kappa_one(shares: list[float], levels: int) -> None:
    kappa = agreement([Pair(one, one) for one in shares], levels=levels, resamples=5).overall.kappa
    several = len({level(one, levels) for one in shares}) > 1
    assert (kappa.value if kappa else None) == (1 if several else None)


@given(PAIRS)
def test_kappa_is_symmetric_and_within_its_bounds(pairs: list[Pair]) -> None:
    there = agreement(pairs, resamples=20).overall
    back = agreement([Pair(pair.human, pair.machine, pair.group) for pair in pairs], resamples=20).overall
    assert there.kappa == back.kappa
    assert (there.exact, there.adjacent, there.mae) == (back.exact, back.adjacent, back.mae)
    if there.kappa:
        assert -1 <= there.kappa.value <= 1


@given(PAIRS)
def test_no_figure_is_ever_nan_and_intervals_are_ordered(pairs: list[Pair]) -> None:
    found = agreement(pairs, resamples=20)
    for figures in (found.overall, *found.thirds.values()):
        for figure in (figures.kappa, figures.exact, figures.adjacent, figures.mae, figures.bias):
            assert figures.n > 1 or figure is None
            if figure is not None:
                assert math.isfinite(figure.value)
                assert figure.interval is None or figure.interval[0] <= figure.interval[1]


def test_fewer_than_two_pairs_have_no_figures() -> None:
    for pairs in ([], [Pair(0.3, 0.4)]):
        overall = agreement(pairs).overall
        assert (overall.n, overall.kappa, overall.mae) == (len(pairs), None, None)


def test_one_question_tells_no_interval() -> None:
    mae = agreement([Pair(0.3, 0.4, "q"), Pair(0.9, 0.1, "q")]).overall.mae
    assert mae is not None
    assert mae.interval is None


def test_a_constant_machine_has_kappa_zero_and_a_bias_in_each_third() -> None:
    pairs = [Pair(0.8, human / 10) for human in range(11) for _ in range(3)]
    found = agreement(pairs)
    assert value(found.overall.kappa) == 0
    assert [found.thirds[one].n for one in Third] == [12, 9, 12]
    biases = [value(found.thirds[one].bias) for one in Third]
    assert biases == pytest.approx([0.65, 0.3, -0.05])


def test_answers_to_one_question_count_as_one_piece_of_evidence() -> None:
    draws = random.Random(1)
    errors = [draws.random() * 0.4 for _ in range(12)]
    alone = [Pair(error, 0.0, f"q{number}") for number, error in enumerate(errors)]
    copied = [pair for pair in alone for _ in range(20)]
    pretended = [Pair(pair.machine, pair.human) for pair in copied]
    width = {}
    for name, pairs in (("alone", alone), ("copied", copied), ("pretended", pretended)):
        mae = agreement(pairs).overall.mae
        assert mae is not None
        assert mae.interval is not None
        width[name] = mae.interval[1] - mae.interval[0]
    assert width["copied"] == pytest.approx(width["alone"])
    assert width["pretended"] < width["alone"] / 3


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """200 samples of 40 pairs from noise with a bias of .1: a 95 % interval misses in about 10 of them."""
    draws = random.Random(7)
    missed = 0
    for seed in range(200):
        pairs = [Pair(min(1, max(0, 0.5 + 0.1 + draws.gauss(0, 0.1))), 0.5) for _ in range(40)]
        bias = agreement(pairs, resamples=300, seed=seed).overall.bias
        assert bias is not None
        assert bias.interval is not None
        missed += not bias.interval[0] <= 0.1 <= bias.interval[1]
    assert 2 <= missed <= 24


def test_the_seed_decides_and_nothing_else() -> None:
    pairs = [Pair(number / 10, 1 - number / 10) for number in range(11)]
    assert agreement(pairs, seed=4) == agreement(pairs, seed=4)
    assert agreement(pairs, seed=4) != agreement(pairs, seed=5)


@pytest.mark.parametrize(
    ("share", "levels", "band"),
    [(0.0, 5, 0), (0.1999, 5, 0), (0.2, 5, 1), (0.29, 100, 29), (0.8, 5, 4), (1.0, 5, 4), (2 / 3, 3, 2)],
)
def test_levels_are_equal_bands(share: float, levels: int, band: int) -> None:
    assert level(share, levels) == band


@pytest.mark.parametrize("bad", [-0.01, 1.01, math.nan, math.inf])
def test_a_mark_outside_its_range_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="shares of the maximum"):
        Pair(bad, 0.5)
    with pytest.raises(ValueError, match="shares of the maximum"):
        Pair(0.5, bad)


def test_percentiles_are_linear_between_neighbours() -> None:
    assert percentile_interval(range(101)) == pytest.approx((2.5, 97.5))
    assert percentile_interval([3.0]) == (3.0, 3.0)


def test_without_resamples_there_are_figures_and_no_intervals() -> None:
    pairs = [Pair(1.0, 1.0, "a"), Pair(0.0, 0.5, "b"), Pair(0.5, 0.5, "c")]
    quick, whole = agreement(pairs, resamples=0).overall, agreement(pairs, resamples=200).overall
    assert quick.mae is not None
    assert whole.mae is not None
    assert (quick.mae.value, quick.mae.interval) == (whole.mae.value, None)
    assert whole.mae.interval is not None
