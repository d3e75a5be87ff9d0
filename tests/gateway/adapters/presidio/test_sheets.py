"""Numbers whose groups stand in cells or on two lines, and columns that only look like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presidio_analyzer import PatternRecognizer

from gateway.adapters.presidio.sheets import CopiedNumber
from tests.gateway.adapters.presidio.reading import Said, said, slowing


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio import patterns, russian

    return [*patterns.recognizers(), *russian.recognizers()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("паспорт\t45 10\t654321", [("PASSPORT", "45 10\t654321")]),
        ("паспорт;4510;654321", [("PASSPORT", "4510;654321")]),
        ("паспорт\r\n4510\r\n654321", [("PASSPORT", "4510\r\n654321")]),
        ("карта\t4111\t1111\t1111\t1111", [("CARD", "4111\t1111\t1111\t1111")]),
        ("4111|1111|1111|1111", [("CARD", "4111|1111|1111|1111")]),
        ("4111 1111\n1111 1111", [("CARD", "4111 1111\n1111 1111")]),
        ("112-233-445\n95", [("SNILS", "112-233-445\n95")]),
        ("телефон:\t8\t(921)\t555-01-73", [("PHONE", "8\t(921)\t555-01-73")]),
        ("Это 8 921 555-\n01-73", [("PHONE", "8 921 555-\n01-73")]),
    ],
)
def test_a_number_is_read_across_cells_and_lines(
    recognizers: list[object], text: str, expected: Said
) -> None:
    assert said(recognizers, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4510\t654321",
        "8;921;555;01;73",
        "8\n921\n555\n01\n73",
        "4111\n1111\n1111\n1111",
        "4111|1111|1111|1112",
        "112\t233\t445\t96",
        "5 4 3\n2 1 0\n8 9 7 6 5",
    ],
)
def test_columns_of_numbers_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []


@pytest.mark.parametrize("unit", ["1\t", "1;2|", "4111\n", "8\t(9", "1-\n", "1\r\n"])
def test_hostile_sheets_take_linear_time(recognizers: list[object], unit: str) -> None:
    for recognizer in recognizers:
        assert any(slowing(recognizer, unit) < 3 for _ in range(3)), recognizer


@given(st.text(st.sampled_from("+()- .№:nNVIXА-Ясерия номертел\t\n|;x"), max_size=60))
def test_what_has_no_digit_is_no_number_by_any_pattern(recognizers: list[object], text: str) -> None:
    """Which is why such a text is not read at all."""
    copied = [one for one in recognizers if isinstance(one, CopiedNumber)]
    assert len(copied) == 7
    for one in copied:
        assert PatternRecognizer.analyze(one, text, one.supported_entities) == []
