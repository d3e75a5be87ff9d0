"""Which language a text is in, and the words that count."""

import pytest

from gateway.domain import Language, Submission
from gateway.grading.words import content_words, language_of, plain_words, spoken_in


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (("Plants make sugar.",), "en"),
        (("Растения делают сахар.",), "ru"),
        (("Протокол TCP начинает three-way handshake: SYN, ACK",), "ru"),
        (("He said нет once, and then he went on and on in English.",), "en"),
        (("42", "Сколько будет?"), "ru"),
        (("<PERSON_1_k3f9x>", "Кто это?"), "ru"),
        (("", "12 = 3 * 4"), "en"),
    ],
)
def test_the_first_text_with_letters_decides_the_language(texts: tuple[str, ...], language: str) -> None:
    assert language_of(*texts) == language


def test_a_program_is_answered_in_the_language_of_its_task() -> None:
    program = Submission("print('Hello')", "code", "python", 10, "Напечатайте приветствие.")
    assert spoken_in(program) is Language.RUSSIAN


def test_content_words_are_no_placeholders_and_no_function_words() -> None:
    assert content_words("The plants of <PERSON_1_k3f9x> were making oxygen") == [
        "plants",
        "making",
        "oxygen",
    ]


def test_plain_words_know_no_punctuation_and_no_case() -> None:
    assert plain_words("Ещё РАЗ: 2+2?") == ["еще", "раз", "2", "2"]
