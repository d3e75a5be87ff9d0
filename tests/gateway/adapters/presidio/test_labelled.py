"""Numbers behind their word with whatever check digits, and words with other numbers behind them."""

import pytest

from tests.gateway.adapters.presidio.reading import Said, said, slowing


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio.labelled import LabelledNumber

    return [LabelledNumber()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ИНН 500100732251", [("INN", "500100732251")]),
        ("ИНН физлица: 5001 0073 2251", [("INN", "5001 0073 2251")]),
        ('{"inn": "7707083894"}', [("INN", "7707083894")]),
        ("СНИЛС 123-456-789 02.", [("SNILS", "123-456-789 02")]),
        ("полис ОМС № 4111 1111 1111 1112", [("OMS", "4111 1111 1111 1112")]),
        ("номер карты 4276 3800 1111 2222", [("CARD", "4276 3800 1111 2222")]),
        ("карта банка это 2202200111112222", [("CARD", "2202200111112222")]),
        ("card_number = '4276 3800 1111 2222'", [("CARD", "4276 3800 1111 2222")]),
        ("р/с 40817810099910004300", [("IBAN", "40817810099910004300")]),
        ("Расчётный счёт: 40817 810 0 9991 0004300", [("IBAN", "40817 810 0 9991 0004300")]),
        ("my social is 514690360", [("US_SSN", "514690360")]),
        ("My passport number is K02Y11R58", [("PASSPORT", "K02Y11R58")]),
        ("водительское удостоверение 77 УУ 345679", [("PASSPORT", "77 УУ 345679")]),
        ("Driver's license: D1234567", [("PASSPORT", "D1234567")]),
    ],
)
def test_the_word_is_enough(recognizers: list[object], text: str, expected: Said) -> None:
    assert said(recognizers, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ИНН из 12 цифр, у организаций из 10",
        "ИНН 50010073225123",
        "карта масштаба 1:25000000",
        "Счёт на 20 000 000 рублей",
        "The card game has 52 cards, 4276 3800 1111 2222 steps",
        "passport photos, 20 x 30",
        "The social network has 514690360 users",
    ],
)
def test_other_numbers_near_the_words_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []


def test_only_the_kinds_asked_for_are_said(recognizers: list[object]) -> None:
    (recognizer,) = recognizers
    results = recognizer.analyze("ИНН 500100732251, СНИЛС 123-456-789 02", ["SNILS"])  # type: ignore[attr-defined]
    assert [result.entity_type for result in results] == ["SNILS"]


@pytest.mark.parametrize(
    "unit", ["инн 1", "карта аб ", "card a a 1 ", "счёт: ", "passport a1", "ssn 1-", "р/с 1111 "]
)
def test_hostile_labels_take_linear_time(recognizers: list[object], unit: str) -> None:
    for recognizer in recognizers:
        assert any(slowing(recognizer, unit) < 3 for _ in range(3))
