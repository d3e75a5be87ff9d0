"""One list out of what many recognisers said: nothing overlaps, nothing found is let go, nobody is merged."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.presidio.overlaps import Finding, resolve


def people(text: str, *names: str) -> list[str]:
    found = [Finding(text.index(name), text.index(name) + len(name), "PERSON") for name in names]
    return [text[one.start : one.end] for one in resolve(text, found)]


def test_two_people_whom_a_net_took_for_one_stay_two() -> None:
    text = "Группа: Карева А. Ю. Зуев П. П. Щербак"
    whole = text.removeprefix("Группа: ")
    assert people(text, whole, "Карева А. Ю.", "Зуев П. П.") == ["Карева А. Ю.", "Зуев П. П.", "Щербак"]


def test_after_its_initials_a_name_is_over() -> None:
    text = "Иванов И. И. Основы экономики"
    assert people(text, "Иванов И. И. Основы", "Иванов И. И.") == ["Иванов И. И."]


def test_parts_of_one_name_are_one() -> None:
    text = "with Maria Lopez Garcia"
    assert people(text, "Maria Lopez Garcia", "Maria", "Garcia") == ["Maria Lopez Garcia"]
    assert people(text, "Maria Lopez", "Lopez Garcia") == ["Maria Lopez Garcia"]


@pytest.mark.parametrize(
    ("kinds", "winner"),
    [
        (("DATE", "DATE_OF_BIRTH"), "DATE_OF_BIRTH"),
        (("ADDRESS", "STUDENT_ID"), "STUDENT_ID"),
        (("PERSON", "CUSTOM"), "CUSTOM"),
        (("PHONE", "SNILS"), "SNILS"),
    ],
)
def test_the_more_telling_kind_wins(kinds: tuple[str, str], winner: str) -> None:
    assert [one.kind for one in resolve("x" * 20, [Finding(0, 20, kind) for kind in kinds])] == [winner]


findings = st.builds(
    lambda start, length, kind: Finding(start, min(40, start + length), kind),
    st.integers(0, 39),
    st.integers(1, 25),
    st.sampled_from(["PERSON", "PHONE", "EMAIL", "CUSTOM", "DATE"]),
)
texts = st.text(alphabet="аБ.1 -", min_size=40, max_size=40)


@given(texts, st.lists(findings, max_size=8))
def test_nothing_overlaps_and_whoever_wins_is_whole(text: str, found: list[Finding]) -> None:
    resolved = resolve(text, found)
    for one, following in pairwise(resolved):
        assert one.end <= following.start
    assert all(one.start < one.end for one in resolved)
    for one in found:
        if one.kind == "CUSTOM":  # the strongest: never cut
            assert any(other.start <= one.start and one.end <= other.end for other in resolved)
