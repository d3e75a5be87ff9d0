"""What is drawn of many: never more than may be, and each as likely as the others."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.drift.sampling import Reservoir, fairly, whole

LUCK = st.integers(0, 2**32).map(Random)


@given(st.integers(0, 50), st.integers(0, 300), LUCK)
def test_a_reservoir_keeps_as_many_as_it_may_of_what_it_was_offered(
    size: int, offered: int, luck: Random
) -> None:
    reservoir: Reservoir[int] = Reservoir(size, luck)
    for one in range(offered):
        reservoir.offer(one)
        assert len(reservoir.kept) <= size
    assert reservoir.offered == offered
    assert len(reservoir.kept) == len(set(reservoir.kept)) == min(size, offered)
    assert set(reservoir.kept) <= set(range(offered))


def test_early_and_late_ones_are_kept_equally_often() -> None:
    """Chi-squared over 40 places: with 39 degrees of freedom more than 73.4 comes once in a thousand times,
    and the seed is fixed. Keeping the newest, or the first, gives 60,000."""
    luck, size, offered, rounds = Random(7), 10, 40, 2_000
    kept: Counter[int] = Counter()
    for _ in range(rounds):
        reservoir: Reservoir[int] = Reservoir(size, luck)
        for one in range(offered):
            reservoir.offer(one)
        kept.update(reservoir.kept)
    expected = rounds * size / offered
    assert sum((kept[one] - expected) ** 2 / expected for one in range(offered)) < 73.4


@given(st.floats(0, 1000), LUCK)
def test_a_share_is_rounded_to_one_of_its_neighbours(share: float, luck: Random) -> None:
    assert share - 1 < whole(share, luck) < share + 1


def test_half_a_thing_is_one_every_second_time() -> None:
    luck = Random(7)
    assert 4_800 < sum(whole(0.5, luck) for _ in range(10_000)) < 5_200
    assert {whole(100.0, luck) for _ in range(1_000)} == {100}


@given(st.lists(st.sampled_from("abcde")), st.integers(0, 60), LUCK)
def test_nobody_gets_two_more_than_one_who_goes_without(owners: list[str], most: int, luck: Random) -> None:
    places = fairly(owners, most, luck)
    assert len(places) == len(set(places)) == min(most, len(owners))
    drawn, there = Counter(owners[place] for place in places), Counter(owners)
    for owner in there:
        if drawn[owner] < there[owner]:
            assert drawn[owner] >= max(drawn.values(), default=0) - 1


def test_where_one_round_is_not_enough_for_all_who_has_few_is_drawn_as_often() -> None:
    luck, owners = Random(7), ["busy"] * 97 + ["a", "b", "c"]
    firsts = Counter(owners[fairly(owners, 1, luck)[0]] for _ in range(4_000))
    assert all(850 < firsts[owner] < 1_150 for owner in set(owners))
