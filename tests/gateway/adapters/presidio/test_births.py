"""Dates of birth in both scripts, and dates that are none."""

import pytest

from tests.gateway.adapters.presidio.reading import said


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio import births

    return [*births.recognizers()]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Родилась в г. Омске 5 мая 2001 года.", "5 мая 2001 года"),
        ("Дата рождения: 05.05.2001", "05.05.2001"),
        ("Пётр, 12.03.1999г.р.", "12.03.1999"),
        ("1999 года рождения", "1999"),
        ("ДР: 05/05/01", "05/05/01"),
        ("I was born in Rome on May 5th, 2001", "May 5th, 2001"),
        ("born on 5 May 2001", "5 May 2001"),
        ('{"date_of_birth": "2001-05-05"}', "2001-05-05"),
        ("DOB: 5/12/2003", "5/12/2003"),
        ("5 May is my birthday", "5 May"),
        ("Я родился в 2003 году", "2003"),
        ("Born in 2003, I grew up in Rome", "2003"),
        ("Я 2003 года, студент", "2003"),
        ("Родилась седьмого июня 2003 года", "седьмого июня 2003 года"),
        ("born on the twenty-first of June, 2003", "twenty-first of June, 2003"),
        ("дата рожд. 07.06.2003", "07.06.2003"),
        ("Geboren am 7.6.2003", "7.6.2003"),
        ('{"dateOfBirth": "2003-06-07"}', "2003-06-07"),
        ("Иван, поклонник Ньютона, родился 7 июня 2003 года", "7 июня 2003 года"),
        ("Я, как Юрий Гагарин, родился 9 марта 1999 года", "9 марта 1999 года"),
        ("Дата рождения: Юрий Гагарин, 09.03.1999", "09.03.1999"),
    ],
)
def test_a_date_beside_a_word_of_birth_is_one(recognizers: list[object], text: str, date: str) -> None:
    assert said(recognizers, text) == [("DATE_OF_BIRTH", date)]


@pytest.mark.parametrize(
    "text",
    [
        "Война началась 22.06.1941, версия вышла 04.12.2023.",
        "Пушкин родился 6 июня 1799 года.",
        "Einstein was born on March 14, 1879.",
        "Он родился. 05.05.2001 началась сессия.",
        "The birthday paradox: 23 people of 365 days",
        "2001 г. был тёплым",
        "The web was born in 1989.",
        "Закон родился в 1965 году",
        "Юрий Гагарин родился 9 марта 1934 года.",
        "Alan Turing was born on June 23, 1962.",
    ],
)
def test_a_bare_date_and_history_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []
