"""Postal addresses in Russian and in Latin letters."""

import pytest

from tests.gateway.adapters.presidio.reading import said


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio import addresses

    return [*addresses.recognizers()]


@pytest.mark.parametrize(
    "address",
    [
        "ул. Лесная, д. 5, кв. 12",
        "г. Москва, пр-т Мира, 10-3",
        "654321, Тверская обл., г. Ржев, ул. 40 лет Победы, д. 3а, корп. 2, кв. 8",
        "Садовый проспект, 28, кв. 3",
        "г. Санкт-Петербург, 8-я линия В.О., д. 5",
        "наб. реки Фонтанки, дом 7/2",
        "ул лесная 5 кв 12",
        "дер. Липовка, д. 12",
        "Общежитие №5, комната 312",
        "ул. Лесная, д. 5, г. Тверь, 654321",
        "221B Baker Street",
        "12 High Rd, Apt. 4, Springfield, IL 62704",
        "7 N. Oak St, Unit 9B",
        "P.O. Box 12",
        "46 Lindenhof 80 Apt. 608\nMarlow, AT 31295",
        "Rue Lepic 130",
        "Hafenstrasse 9",
    ],
)
def test_an_address_is_found_whole(recognizers: list[object], address: str) -> None:
    assert said(recognizers, f"Пишите: {address}. Спасибо") == [("ADDRESS", address)]


def test_words_that_promise_an_address_are_enough(recognizers: list[object]) -> None:
    assert said(recognizers, "Адрес: Казань, Баумана 12-5") == [("ADDRESS", "Казань, Баумана 12-5")]
    assert said(recognizers, "He lives at 50 Lindenhof 12.") == [("ADDRESS", "50 Lindenhof 12")]


@pytest.mark.parametrize(
    "text",
    [
        "На улице Ленина 20 домов, а на улице Пушкина 5 школ.",
        "Живу на Марсе 5 лет, в г. Москва, на ул. Лесной.",
        "В п. 5 и д. 3 задачи пл. треугольника 12; стр. 15, рис. 3",
        "In 1950 Sunset Boulevard was filmed. There are 12 Monkeys in 3 Parts.",
        "The address is 10 Mbit wide; page 5 of Section 3",
        "100 Years Way and the 10 Best Way to learn",
    ],
)
def test_streets_and_numbers_of_an_answer_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []
