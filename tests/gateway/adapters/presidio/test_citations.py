"""Sources, writers and heroes, and people at hand that look like them. Asked about is `<>`."""

import time

import pytest
from presidio_analyzer import EntityRecognizer

from gateway.adapters.presidio.citations import heroes_of, is_cited, person
from gateway.adapters.presidio.english import EnglishNames
from gateway.adapters.presidio.findings import CITED, INTRODUCED, found
from gateway.adapters.presidio.russian_names import RussianNames


def asked(marked: str) -> bool:
    start, end = marked.index("<"), marked.index(">") - 1
    return is_cited(marked.replace("<", "").replace(">", ""), start, end)


@pytest.mark.parametrize(
    "marked",
    [
        "This was shown (<Hobbins>, 2010).",
        "as in [<Ветлугин>, 2010]",
        "(see Hobbins & <Quillfeather>, 2010; Lee, 2011, p. 5)",
        "(цит. по: <Ветлугин Р. П.>, 2010, с. 5)",
        "<Hobbins> et al. found it",
        "Hobbins et <al>. found it",
        "<Hobbins> and Lee (2010) argue that",
        "Hobbins and <Lee> (2010) argue that",
        "<Ветлугин> (2010) утверждает, что",
        "<Ветлугин> (2010) показал, что",
        "согласно <Ветлугину> (2010),",
        "the theory of <Hobbins> (2010)",
        "роман «Тьма» <Ветлугиной>",
        "в романе <Ветлугина> «Тьма»",
        'the novel "Dark" by <Claire Hobbins>',
        '<Hobbins>\'s novel "Dark"',
    ],
)
def test_a_source_and_a_writer_are_cited(marked: str) -> None:
    assert asked(marked)


@pytest.mark.parametrize(
    "marked",
    [
        "<Иванов> и Петров (2024) сдали работу",
        "Иванов и <Петров> (2024) сдали работу",
        "<Ivanov> (2006), group 3",
        "written by <Ivanov> (2010)",
        "<Ветлугин> (2024) показал хороший результат",
        "студент (<Ветлугин>, 2005)",
        "(<Ветлугин Роман>, 2005)",
        "(<Ветлугин>, 2005 г.р.)",
        "Мама (<Ветлугин Д. П.>, 8-903-397-14-97)",
        "<Ветлугин> и др. сдали",
        "рассказ «Лето» <Ветлугиной>",
        'The essay "Dark" by <Claire Hobbins>',
    ],
)
def test_who_is_at_hand_or_might_be_is_not(marked: str) -> None:
    assert not asked(marked)


@pytest.mark.parametrize(
    ("read", "name", "expected"),
    [
        ("о романе «Война\n и мир»", "Наташа Ростова", True),
        ("о романе «Война и мир»", "Наташу", True),
        ("о романе «Война и мир»", "Наташа Ветлугина", False),
        ("Пьеса «Бесприданница»." + " слово" * 1_000, "Лариса Огудалова", True),
        ("Тургенев пишет о нигилизме", "Базарова", True),
        ("работа про Толстого", "Наташа", False),  # half a class is called so
        ("In Harry Potter he wins", "Ron's", True),
        ("A story of our town", "Ron", False),
        ("о романе «Война и мир»", "—", False),
    ],
)
def test_a_hero_is_known_wherever_the_book_is_named(read: str, name: str, expected: bool) -> None:
    assert heroes_of(read).has(name) is expected


@pytest.mark.parametrize(
    ("recognizer", "text"),
    [(RussianNames(), "Меня зовут Лариса"), (EnglishNames(), "My name is Elizabeth"),
     (EnglishNames(), "my name is elizabeth")],
)  # fmt: skip
def test_who_introduces_himself_is_marked_and_surest(
    recognizer: RussianNames | EnglishNames, text: str
) -> None:
    one, *others = recognizer.analyze(text, [])
    assert all(other == one and other.recognition_metadata[INTRODUCED] for other in (one, *others))
    elsewhere = found(recognizer, "PERSON", one.start, one.end, 1.0)
    assert not elsewhere.recognition_metadata[INTRODUCED]
    for order in ([one, elsewhere], [elsewhere, one]):
        assert EntityRecognizer.remove_duplicates(order) == [one]


def test_a_person_at_hand_is_surer_than_a_cited_one_of_the_same_words() -> None:
    names = RussianNames()
    text = "Ньютон и Ветлугина Раиса"
    famous, student = (
        person(names, text, text.index(name), text.index(name) + 6) for name in ("Ньютон", "Ветлуг")
    )
    assert (famous.recognition_metadata[CITED], student.recognition_metadata[CITED]) == (True, False)
    assert famous.score < student.score


@pytest.mark.parametrize("unit", ["Ivanov, ", "И. ", "A.-", "(Ivanov & ", "роман «", "А и ", "et al. "])
def test_time_does_not_grow_with_the_square_of_a_hostile_text(unit: str) -> None:
    text = unit * (2_000 // len(unit))
    started = time.process_time()
    for start in range(0, 2_000 - 10, 20):
        is_cited(text, start, start + 6)
    assert time.process_time() - started < 1
