"""The word lists: names, and names that are subject matter."""

import pytest

from gateway.adapters.presidio.lexicon import lexicon


@pytest.mark.parametrize(
    "name",
    [
        "Ньютона",
        "Исаак Ньютон",
        "А. С. Пушкина",
        "Выготскому",
        "Лев Толстой",
        "Фурье",
        "Isaac Newton",
        "Vygotsky",
    ],
)
def test_the_famous_are_subject_matter(name: str) -> None:
    assert lexicon().is_subject_matter(name, 0, len(name))


@pytest.mark.parametrize(
    "name",
    [
        "Иван Ньютонов",
        "Пётр Пушкин",
        "Толстой",
        "Королёв",
        "Павлова",
        "Peter Newton",
        "Bloom",
        "Ольга Крылова",
    ],
)
def test_their_namesakes_are_not(name: str) -> None:
    assert not lexicon().is_subject_matter(name, 0, len(name))


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("Александр II отменил", "Александр", True),
        ("Александр II отменил", "Александр II", True),
        ("Александр II курс", "Александр", False),
        ("Александр II курс", "Александр II", False),
        ("Ветлугин II", "Ветлугин", False),
        ("Claire I think", "Claire", False),
        ("Peter V and", "Peter", False),
        ("метод Квиллфезера", "Квиллфезера", True),
        ("метод Ветлугина", "Ветлугина", False),  # might be a student's
        ("Quillfeather's theorem", "Quillfeather", True),
    ],
)
def test_what_stands_beside_a_name_counts(text: str, name: str, expected: bool) -> None:
    start = text.index(name)
    assert lexicon().is_subject_matter(text, start, start + len(name)) is expected


@pytest.mark.parametrize(
    "form", ["Анна", "Анной", "Оле", "Павлу", "Льва", "Ильёй", "Тимофею", "Артёмом", "Марией"]
)
def test_a_given_name_is_known_in_every_case(form: str) -> None:
    assert lexicon().is_given_ru(form)


@pytest.mark.parametrize("word", ["Та", "Тая́ть", "Ясность", "Олово", "Задача", "Ивановский"])
def test_a_word_that_begins_like_one_is_not(word: str) -> None:
    assert not lexicon().is_given_ru(word)
