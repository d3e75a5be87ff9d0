"""What the benchmark of a placeholder's cost plants in an answer, and how it compares grades."""

from typing import Any

import pytest

from benchmarks.grading_answers import Case
from benchmarks.masking_cost import PAIRS, Graded, drifts, lines
from benchmarks.planted import Planted, planted

ANSWER = "The lamp stays dark because of the gap."


@pytest.mark.parametrize("number", range(6))
def test_a_planted_answer_says_what_it_said_and_who_wrote_it(number: int) -> None:
    plant = planted(ANSWER, number)
    added = plant.text
    for half in (ANSWER[:19], ANSWER[19:]):
        assert added.count(half) == 1
        added = added.replace(half, "")
    assert all(secret in added for secret in plant.secrets)
    assert not any(secret in ANSWER for secret in plant.secrets)


def test_six_answers_in_a_row_have_all_places_and_languages() -> None:
    plants = [planted(ANSWER, number) for number in range(6)]
    assert len({(plant.place, plant.language) for plant in plants}) == 6
    assert planted(ANSWER, 3) == plants[3]
    assert plants[0].text.endswith(ANSWER)
    assert plants[2].text.startswith(ANSWER)


def test_an_answer_of_one_word_is_planted_too() -> None:
    assert planted("gap", 1).text.startswith("gap")


def graded(question: str, shares: dict[str, float | None]) -> Graded:
    every: dict[str, Any] = dict.fromkeys(end for pair in PAIRS.values() for end in pair)
    return Graded("set", Case("1", question, 1.0, {}), Planted("", "before", "en", ()), every | shares)


def test_drift_is_the_later_grade_minus_the_earlier_one_and_wants_both() -> None:
    some = [
        graded("one", {"planted": 0.5, "planted masked": 0.75, "clean": 1.0}),
        graded("two", {"planted": 0.5, "planted masked": None}),
    ]
    assert drifts(some, "planted: masking on") == [("set/one", 0.25)]
    assert drifts(some, "planted, masked") == [("set/one", -0.25)]
    assert drifts(some, "as it is: masking on") == []


def test_drifts_that_cancel_out_are_seen_as_absolute_ones() -> None:
    some = [
        graded("one", {"planted": 0.5, "planted masked": 0.75}),
        graded("two", {"planted": 0.5, "planted masked": 0.25}),
    ]
    label, pair, n, signed, absolute, moved = next(
        line for line in lines(some) if "masking on" in str(line[1]) and line[2]
    )
    assert (label, pair, n, moved) == ("all", "planted: masking on", 2, 2)
    assert str(signed).startswith("0.0000 ")
    assert str(absolute).startswith("0.2500 ")
