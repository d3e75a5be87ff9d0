"""Passport, INN, SNILS and the policy of medical insurance."""

import pytest

from tests.gateway.adapters.presidio.reading import Said, said


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio import russian

    return [*russian.recognizers()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("паспорт 4508 123456, выдан", [("PASSPORT", "4508 123456")]),
        ("серия 4508 номер 123456", [("PASSPORT", "серия 4508 номер 123456")]),
        ("4508 123456 байт", []),
        ("Справка на 500100732259", [("INN", "500100732259")]),
        ("ИНН 5 0 0 1 0 0 7 3 2 2 5 9", [("INN", "5 0 0 1 0 0 7 3 2 2 5 9")]),
        ("5 0 0 1 0 0 7 3 2 2 5 9 в массиве", []),
        ("ИНН 7707083893", [("INN", "7707083893")]),
        ("7707083894 по ИНН и 0000000000", []),
        ("Свидетельство IV-АБ № 654321", [("PASSPORT", "IV-АБ № 654321")]),
        ("7707083893 операций", []),
        ("номер 112-233-445 95 в анкете", [("SNILS", "112-233-445 95")]),
        ("СНИЛС 11223344595", [("SNILS", "11223344595")]),
        ("112-233-445 96 в СНИЛС", []),
        ("полис ОМС 4111 1111 1111 1111", [("OMS", "4111 1111 1111 1111")]),
        ("номер полиса: 7 7 0 0 0 0 0 0 0 0 0 0 0 0 1 6", [("OMS", "7 7 0 0 0 0 0 0 0 0 0 0 0 0 1 6")]),
        ("полис 4111 1111 1111 1112", []),
        ("4111 1111 1111 1111", []),
    ],
)
def test_check_digits_or_a_word_make_a_number_personal(
    recognizers: list[object], text: str, expected: Said
) -> None:
    assert said(recognizers, text) == expected


def test_in_a_program_twelve_digits_need_a_word(recognizers: list[object]) -> None:
    assert said(recognizers, "x = 500100732259", program=True) == []
    assert said(recognizers, "inn = 500100732259", program=True) == [("INN", "500100732259")]
    assert said(recognizers, "snils_number = '11223344595'", program=True) == [("SNILS", "11223344595")]
