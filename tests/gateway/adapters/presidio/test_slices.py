"""A long passage is read in slices, and nothing at a border is lost, doubled or cut."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.presidio.slices import LONGEST, sliced, together, whole
from gateway.domain import Passage, Span

EMAIL = "claire.hobbins@example.com"


def found_in(text: str) -> list[Span]:
    return [Span(*m.span(), "EMAIL", parts=(m.span(),)) for m in re.finditer(EMAIL, text)]


@given(st.lists(st.integers(0, 3 * LONGEST), max_size=6))
def test_a_value_anywhere_is_found_once_and_whole(places: list[int]) -> None:
    text = "x " * (2 * LONGEST)
    for place in places:
        text = text[:place] + EMAIL + text[place:]
    slices = [*sliced(Passage(text))]
    assert whole(slices, [found_in(one.passage.text) for one in slices]) == found_in(text)


@given(st.lists(st.integers(1, 3 * LONGEST), max_size=8))
def test_slices_asked_together_are_all_of_them_and_short(lengths: list[int]) -> None:
    cut = [one for length in lengths for one in sliced(Passage("x" * length))]
    groups = [*together(cut)]
    assert [one for group in groups for one in group] == cut
    assert all(len(g) == 1 or sum(len(one.passage.text) for one in g) <= LONGEST for g in groups)


def test_a_program_stays_whole_and_seams_move_along() -> None:
    [program] = sliced(Passage("x" * 3 * LONGEST, program=True))
    assert program.core == (0, 3 * LONGEST)
    slices = [*sliced(Passage("x" * 3 * LONGEST, seams=(10, LONGEST + 10)))]
    assert [one.passage.seams for one in slices] == [(10, LONGEST + 10), (510,), ()]
