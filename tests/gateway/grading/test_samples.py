"""Several replies to one question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Verdict
from gateway.grading.reply import Fault, Unusable
from gateway.grading.samples import Consensus, consensus


def of(*levels: int, confidence: float | None = None) -> Consensus:
    found = consensus([Verdict(level, 4, confidence, comment=str(level)) for level in levels])
    assert isinstance(found, Consensus)
    return found


def test_the_median_counts_and_the_lower_one_of_two() -> None:
    assert of(1, 3, 4).verdict.level == 3
    assert of(1, 3).verdict.level == 1
    assert of(1, 3, 4).verdict.comment == "3"


def test_its_confidence_is_agreement_averaged_with_probability() -> None:
    assert of(3, 3, 3, 4, confidence=0.55).verdict.confidence == pytest.approx((0.75 + 0.55) / 2)
    assert of(3, 3, 3, 4).verdict.confidence == 0.75
    assert of(3, confidence=0.4).verdict.confidence == 0.4


def test_replies_two_levels_apart_disagree() -> None:
    assert not of(2, 3, 3).disagree
    assert of(2, 3, 4).disagree


def test_half_of_the_replies_must_be_usable() -> None:
    good, bad = Verdict(2, 4, None), Unusable(Fault.NOT_JSON)
    assert isinstance(consensus([good, bad]), Consensus)
    assert consensus([good, bad, bad]) == bad


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_no_more_than_half_of_the_replies_are_below_or_above(levels: list[int]) -> None:
    level = of(*levels).verdict.level
    assert sum(one < level for one in levels) <= len(levels) / 2
    assert sum(one > level for one in levels) <= len(levels) / 2
