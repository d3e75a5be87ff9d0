"""Phone numbers that only a word for a messenger or a number gives away."""

import pytest

from tests.gateway.adapters.presidio.reading import said


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio.phones import Phone, RussianPhone

    return [Phone(), RussianPhone()]


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("номер вайбера 921 5550173", "921 5550173"),
        ("ватсап 9215550173", "9215550173"),
        ("мой номер 9215550173", "9215550173"),
        ("My Signal is 415 5550137", "415 5550137"),
    ],
)
def test_a_messengers_word_makes_a_phone(recognizers: list[object], text: str, phone: str) -> None:
    assert said(recognizers, text) == [("PHONE", phone)]


@pytest.mark.parametrize("text", ["9215550173 операций", "The signal of 1000000 samples"])
def test_without_such_a_word_a_number_stays(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []
