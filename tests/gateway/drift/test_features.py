"""What is measured of a text, and that nothing else of it is kept."""

from dataclasses import astuple
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.drift.facts import Sighting
from gateway.drift.features import language_of, measured

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Фотосинтез идёт на свету.", "ru"),
        ("Photosynthesis needs light.", "en"),
        ("for i in range(10): print(i)", "en"),
        ("Зовут <PERSON_1_k3f9x>, тел. <PHONE_2_k3f9x>", "ru"),  # the placeholders have more letters
        ("光合作用需要光", "other"),
        ("Привет world 光合作用需要光光合", "other"),  # none has more than half
        ("1 + 1 = 2", "other"),
        ("", "other"),
    ],
)
def test_the_language_is_that_of_most_letters(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("said", "language"),
    [("ru", "ru"), ("English", "en"), ("python", "other"), ("de", "other"), ("plain", "ru"), ("", "ru")],
)
def test_what_the_caller_said_counts_where_it_is_a_language(said: str, language: str) -> None:
    assert language_of("Фотосинтез", said) == language


@given(st.text(), st.none() | st.text())
def test_every_text_is_of_one_of_three_languages(text: str, said: str | None) -> None:
    assert language_of(text, said) in ("ru", "en", "other")


def test_without_a_text_there_is_no_length_and_no_language() -> None:
    found = measured(Sighting("churn", "3", language="ru", label="yes", confidence=0.75), NOW)
    assert astuple(found) == (NOW, "churn", "3", None, None, "yes", None, 0.75, None)


def test_of_a_text_its_length_and_language_are_kept() -> None:
    found = measured(Sighting("grader-llm", "tiny", "Свет", score=0.5), NOW)
    assert astuple(found) == (NOW, "grader-llm", "tiny", 4, "ru", None, 0.5, None, None)


@given(st.text(st.characters(exclude_categories=())))
def test_every_label_is_one_that_a_database_can_keep(label: str) -> None:
    kept = measured(Sighting("m", "1", label=label), NOW).label
    assert kept is not None
    kept.encode()
    assert "\0" not in kept
    assert len(kept) <= 200


def test_a_sighting_does_not_show_its_text() -> None:
    assert "secret" not in repr([(1.0, Sighting("m", "1", "secret words"))])
