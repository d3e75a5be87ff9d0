"""A deployment's lists of what is never and what is always masked."""

import time

import pytest

from gateway.adapters.presidio.custom import CustomLists, DenyList
from gateway.adapters.presidio.writing import has_word

LISTS = CustomLists(
    allow=["Ньютон", "Новая Земля", "Ветлугина", "Claire Hobbins", "+7 800 555-35-35"],
    deny=["Проект Заря", "улица Ленина", "falcon", "Квиллфезер", "Ёлкин", "проект"],
)
DECOMPOSED = "Кои\u0306от"  # as macOS writes «Койот»


def denied(text: str) -> list[str]:
    return [text[one.start : one.end] for one in DenyList(LISTS).analyze(text, [])]


@pytest.mark.parametrize(
    "words",
    ["Ньютон", "НЬЮТОНОМ", "Новой Земли", "Ветлугиной", "CLAIRE  HOBBINS", "7 800 555-35-35"],
)
def test_an_allowed_phrase_is_allowed_in_every_form(words: str) -> None:
    assert LISTS.allowed_in(f"«{words}».") == [(1, 1 + len(words))]


@pytest.mark.parametrize(
    "words", ["Ньютоновский", "Ветлугин", "Земля", "Hobbins", "", "...", "+7 800 555-35-36"]
)
def test_a_part_of_it_or_another_word_is_not(words: str) -> None:
    assert LISTS.allowed_in(words) == []


def test_nothing_is_allowed_or_denied_by_an_empty_list() -> None:
    assert CustomLists([], []).allowed_in("Ньютон") == []
    assert DenyList(CustomLists([], [])).analyze("Ньютон ...", []) == []


@pytest.mark.parametrize("entry", ["...", " ", "!!!", "__", "\u200b", "\U0001f600"])
def test_an_entry_that_nothing_could_be_found_by_is_refused(entry: str) -> None:
    assert not has_word(entry)
    with pytest.raises(ValueError, match="no letter and no digit"):
        CustomLists([], ["falcon", entry])
    with pytest.raises(ValueError, match="no letter and no digit"):
        CustomLists([entry], [])


def test_the_ranges_of_allowed_phrases_are_told_in_every_form() -> None:
    text = "Роман о Claire Hobbins; Ньютону и Новой Земле, но не Claire и не Новой."
    assert [text[start:end] for start, end in LISTS.allowed_in(text)] == [
        "Claire Hobbins",
        "Ньютону",
        "Новой Земле",
    ]


@pytest.mark.parametrize(
    ("entry", "text", "found"),
    [
        (DECOMPOSED, "Наш койот, с койотом.", ["койот", "койотом"]),
        ("Fаlcon", "falcon", ["falcon"]),  # a Cyrillic «а» in the entry
        ("project_kestrel", "project kestrel, Project-Kestrel", ["project kestrel", "Project-Kestrel"]),
        ("Project Kestrel", "project_kestrel.txt, ProjectKestrel", ["project_kestrel", "ProjectKestrel"]),
        ("ProjectKestrel", "project kestrel projectkestrel", ["project kestrel", "projectkestrel"]),
        ("McKestrel", "MCKESTREL", ["MCKESTREL"]),
        ("kestrel", "kestrel_v2 _kestrel_ kestrels", ["kestrel", "kestrel"]),
        ("may be", "maybe may be", ["may be"]),
    ],
)
def test_an_entry_is_read_as_a_text_is(entry: str, text: str, found: list[str]) -> None:
    denied_by = DenyList(CustomLists([], [entry]))
    assert [text[one.start : one.end] for one in denied_by.analyze(text, [])] == found


def test_denied_phrases_are_found_in_every_form_whole_words_only_and_the_longest_wins() -> None:
    text = "В проекте «Заря» на улице\nЛенина живёт Falcon, не falcons; с Квиллфезером, к Елкину. Проекты."
    assert denied(text) == ["проекте «Заря", "улице\nЛенина", "Falcon", "Квиллфезером", "Елкину", "Проекты"]
    assert denied("проект. И потом ещё заря") == ["проект"]


def test_thousands_of_entries_cost_no_more_than_a_few() -> None:
    words = ["стол", "дом", "кот", "школа"]
    many = CustomLists([], [f"{one} {other} {n}" for n in range(400) for one in words for other in words])
    text = "стол дом кот школа " * 100
    started = time.process_time()
    assert DenyList(many).analyze(text, []) == []
    assert time.process_time() - started < 0.2
