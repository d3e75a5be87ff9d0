"""Who is who. People and numbers are made up."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.presidio.identity import Identities
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.morphology import morphology

SALT = b"salt of this process"


@pytest.fixture(scope="module")
def identities() -> Identities:
    return Identities(SALT)


def keys(identities: Identities, *names: str) -> set[str]:
    return {identities.of("PERSON", name).key for name in names}


@pytest.mark.parametrize(
    "forms",
    [
        ("Иванов", "Ивановым", "ИВАНОВ"),
        ("Ивановой", "ИВАНОВОЙ"),
        ("Иванов Пётр", "Петру Иванову", "Петра Иванова", "ПЕТР ИВАНОВ"),
        ("Ветлугина Раиса Павловна", "Раисе Павловне Ветлугиной", "Раису Павловну Ветлугину"),
        ("Анна-Мария Ветлугина-Цой", "Анне-Марии Ветлугиной-Цой"),
        ("Саша Ветлугин", "Саши Ветлугина", "Сашей Ветлугиным"),
        ("Р. П. Ветлугин", "Р.П. Ветлугиным"),
        ("Анна Шевчук", "Анне Шевчук"),
        ("Иван Шевчук", "Шевчуку Ивану"),
        ("Автандил Квиллфезер", "Автандилом Квиллфезером"),
        ("Илья Мельник", "Ильи Мельника", "Мельнику Илье"),
        ("Олег Заяц", "Олега Зайца"),
        ("Лев Задорожный", "Льву Задорожному"),
    ],
)
def test_one_person_has_one_key_in_every_case_and_order(
    identities: Identities, forms: tuple[str, ...]
) -> None:
    assert len(keys(identities, *forms)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Иванова Анна", "Иванов Пётр"),
        ("Саша Иванова", "Саша Иванов"),
        ("Саши Ивановой", "Саши Иванова"),
        ("Иванова", "Иванов"),  # a woman, or of a man
        ("Иванову", "Иванов"),  # to a man, or a woman seen
        ("Ветлугину Р.П.", "Р. П. Ветлугин"),
        ("Иванова", "Ивановой"),
        ("И. И. Иванова", "И. И. Иванов"),
        ("Валентина Иванова", "Валентин Иванов"),
        ("Валентину Иванову", "Валентине Ивановой"),
        ("Александру", "Александр"),
        ("И. И. Иванов", "Иванов Иван"),
        ("И. И. Иванов", "И. П. Иванов"),
        ("Иванов Иван", "Иванов Иван Петрович"),
        ("Иванов Иван Ильич", "Иванов Иван Петрович"),
        ("Иван Шевчук", "Анна Шевчук"),
        ("Claire Hobbins", "Hobbins Claire"),
        ("Евгению Иванову", "Евгения Иванова"),
        ("Евгению Иванову", "Евгении Ивановой"),
        ("Евгения Иванова", "Евгений Иванов"),
        ("Камиле Черненко", "Камиль Черненко"),
        ("Камиле Черненко", "Камилой Черненко"),
        ("Марину", "Марина"),  # of a man called Марин
        ("Кравца", "Кравец"),  # may be of «Кравц»
        ("Регину", "Регина"),
    ],
)
def test_what_could_be_two_people_is_never_one(identities: Identities, one: str, other: str) -> None:
    assert len(keys(identities, one, other)) == 2


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("PHONE", "+7 (921) 555-01-73", "8 921 555 01 73"),
        ("PHONE", "+7 495 123-45-67 доб. 890", "8 (495) 123-45-67"),
        ("PHONE", "495 123-45-67, ext 12", "7 495 123-45-67 (доб. 890)"),
        ("PHONE", "+1 903 123 4567 x89", "+1 (903) 123-4567"),
        ("CARD", "4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("IBAN", "GB29 NWBK 6016 1331 9268 19", "gb29nwbk60161331926819"),
        ("SNILS", "112-233-445 95", "11223344595"),
        ("EMAIL", "Pilot.Lena@uni-x.ru", "pilot.lena@uni-x.ru"),
        ("ADDRESS", "12 Long\n Street", "12 long street"),
        ("PERSON", "Claire  Hobbins", "CLAIRE HOBBINS"),
    ],
)
def test_one_number_is_one_however_it_is_written(
    identities: Identities, kind: str, one: str, other: str
) -> None:
    assert identities.of(kind, one) == identities.of(kind, other)


def test_numbers_of_several_countries_are_several(identities: Identities) -> None:
    numbers = (
        "+7 903 123-45-67",
        "+1 903 123 4567",
        "+44 903 123 4567",
        "+81 90 3123 4567",
        "+8 903 123 4567",
    )
    assert len({identities.of("PHONE", number).key for number in numbers}) == len(numbers)


def test_the_base_form_is_the_nominative(identities: Identities) -> None:
    forms = {
        name: identities.of("PERSON", name).base_form
        for name in ("Раиса Ветлугина", "Раисе Ветлугиной", "Иванов", "Ивановым", "Claire Hobbins")
    }
    assert [name for name, base in forms.items() if base] == ["Раиса Ветлугина", "Иванов", "Claire Hobbins"]


def test_a_key_tells_nothing_without_the_salt_and_differs_by_kind(identities: Identities) -> None:
    key = identities.of("PERSON", "Раиса Ветлугина").key
    assert len(key) == 16
    assert int(key, 16) >= 0
    assert Identities(b"another salt").of("PERSON", "Раиса Ветлугина").key != key
    assert identities.of("USERNAME", "5550173").key != identities.of("STUDENT_ID", "5550173").key


def test_the_parts_of_a_full_name_may_stand_for_it_and_a_common_word_may_not(identities: Identities) -> None:
    name = "Вера Ветлугина"
    assert [name[start:end] for start, end in identities.parts(name)] == ["Ветлугина"]
    assert identities.parts("Ветлугина") == []


@pytest.mark.parametrize(
    "words", ["", " ", "-", "И.", "Ё", "-ов", "ов-", "\ud800", "Ъ" * 2_000, "а-" * 1_000]
)
def test_odd_words_have_a_key_too(identities: Identities, words: str) -> None:
    assert len(identities.of("PERSON", words).key) == 16


# Names whose other sex is another person are told apart above.
MEN = ("иван", "пётр", "олег", "илья", "лев", "павел", "никита", "тимур", "дмитрий", "андрей", "игорь")
WOMEN = ("анна", "мария", "ольга", "галина", "любовь", "зоя", "гульнара", "татьяна", "дарья", "светлана")
SURNAMES = (
    "иванов",
    "ветлугин",
    "лужков",
    "достоевский",
    "шевчук",
    "бойко",
    "мкртчян",
    "кузнецов",
    "толстой",
)
CASES = ("nomn", "gent", "datv", "accs", "ablt", "loct")


def inflected(word: str, kind: str, case: str, sex: str) -> str:
    for parse in morphology()._analyzer.parse(word):
        if kind in parse.tag and parse.normal_form == word:
            for form in parse.lexeme:
                if form.tag.case == case and form.tag.number == "sing" and form.tag.gender in (None, sex):
                    return str(form.word).title()
    return word.title()  # «Анне Шевчук»


people = st.sampled_from([(name, "masc") for name in MEN] + [(name, "femn") for name in WOMEN])


def written(person: tuple[str, str], surname: str, case: str, turned: bool) -> str:
    name, sex = person
    if sex == "femn" and surname in ("шевчук", "мкртчян"):
        words = [inflected(name, "Name", case, sex), surname.title()]
    else:
        words = [inflected(name, "Name", case, sex), inflected(surname, "Surn", case, sex)]
    return " ".join(reversed(words) if turned else words)


@settings(max_examples=150, deadline=None)
@given(people, st.sampled_from(SURNAMES), people, st.sampled_from(SURNAMES), st.data())
def test_all_cases_of_a_full_name_share_a_key_and_two_people_never_do(
    identities: Identities,
    person: tuple[str, str],
    surname: str,
    other: tuple[str, str],
    other_surname: str,
    data: st.DataObject,
) -> None:
    cases, order = st.sampled_from(CASES), st.booleans()
    first = written(person, surname, data.draw(cases), data.draw(order))
    again = written(person, surname, data.draw(cases), data.draw(order))
    second = written(other, other_surname, data.draw(cases), data.draw(order))
    assert len(keys(identities, first, again)) == 1
    assert len(keys(identities, first, second)) == 1 + ((person, surname) != (other, other_surname))


@dataclass(frozen=True)
class Bearer:
    name: str
    sex: str
    surname: str


def bearers() -> Iterator[tuple[Bearer, str]]:
    """All who may be called by a name of the list, alone and with surnames of every kind, in every case."""
    analyzer = morphology()._analyzer
    for name in sorted(lexicon().common_ru):
        for parse in analyzer.parse(name):
            if "Name" not in parse.tag or parse.tag.case != "nomn" or parse.normal_form != name:
                continue
            sexes = {"masc": ("masc",), "femn": ("femn",)}.get(parse.tag.gender, ("masc", "femn"))
            for form in parse.lexeme:
                if form.tag.number == "sing" and form.tag.case in CASES:
                    for sex in sexes:
                        yield Bearer(name.replace("ё", "е"), sex, ""), form.word
                        for surname in ("иванов", "достоевский", "шевчук", "бойко"):
                            declined = inflected(surname, "Surn", form.tag.case, sex)
                            if sex == "femn" and surname == "шевчук":
                                declined = surname
                            yield Bearer(name.replace("ё", "е"), sex, surname), f"{form.word} {declined}"


def test_nobody_of_the_list_shares_a_key_with_somebody_else_in_any_case(identities: Identities) -> None:
    """What is spelt alike cannot be told apart, but must be tied to no other form. A man and a woman who are
    called alike in every case («Саша», «Женя Бойко») are one by their names."""
    owners: dict[str, set[Bearer]] = {}
    spellings: dict[str, set[str]] = {}
    for bearer, words in bearers():
        key = identities.of("PERSON", words.title()).key
        owners.setdefault(key, set()).add(bearer)
        spellings.setdefault(key, set()).add(words.lower().replace("ё", "е"))
    assert len(owners) > 2_000
    merged = [
        {(owner.name, owner.surname) for owner in owners[key]}
        for key, written in spellings.items()
        if len(written) > 1
    ]
    assert [people for people in merged if len(people) > 1] == []
