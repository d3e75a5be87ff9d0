"""What the tagger may not say, whatever its probability."""

import pytest

from gateway.adapters.presidio.tagger.plausible import is_plausible


@pytest.mark.parametrize(
    ("kind", "words", "score", "plausible"),
    [
        ("PERSON", "Tarquin", 0.5, True),
        ("PERSON", "TIM", 0.99, True),
        ("PERSON", "LAN", 0.9, False),
        ("PERSON", "y", 1.0, False),
        ("PERSON", "\U0001d479\U0001d482\U0001d48f\U0001d48f", 1.0, False),
        ("ADDRESS", "27 Juniper Close", 0.5, True),
        ("ADDRESS", "Juniper Close", 0.5, True),
        ("ADDRESS", "box 5", 0.5, True),
        ("ADDRESS", "Juniperstraße 5", 0.5, True),
        ("ADDRESS", "pages 100", 1.0, False),
        ("ADDRESS", "amex", 1.0, False),
        ("ADDRESS", "35350", 1.0, False),
        ("PERSON", "Hello World", 1.0, False),
        ("PERSON", "Arrow Function", 1.0, False),
        ("PERSON", "LinkedHashMap", 1.0, False),
        ("PERSON", "param isAlive", 1.0, False),
        ("PERSON", "HTML", 1.0, False),
        ("PERSON", "Moscow", 1.0, False),
        ("PERSON", "World Peters", 0.5, True),
        ("PERSON", "Ng", 0.5, True),
        ("PERSON", "NG", 0.98, True),
        ("PERSON", "McDonald", 0.5, True),
        ("PERSON", "AnnaMariaKovaleva", 0.5, True),
        ("PERSON", "DeShawn", 0.5, True),
        ("PERSON", "Elif", 0.5, True),
        ("PERSON", "Max Field", 0.5, True),
        ("ADDRESS", "ABCDE 1234", 1.0, False),
        ("ADDRESS", "Chrome 120", 1.0, False),
        ("ADDRESS", "DOI 10.1038/s41586", 1.0, False),
        ("ADDRESS", "Angry Men", 1.0, False),
        ("ADDRESS", "Jordan, Georgia, Chad, Madison", 1.0, False),
        ("ADDRESS", "Koskikatu 25", 0.5, True),
        ("ADDRESS", "12 Version Road", 0.5, True),
        ("ADDRESS", "Tungata 11", 0.5, True),
        ("ORGANIZATION", "--", 1.0, False),
    ],
)
def test_spelling_has_the_last_word(kind: str, words: str, score: float, plausible: bool) -> None:
    assert is_plausible(kind, words, 0, len(words), score) is plausible


@pytest.mark.parametrize("lead", ["zip ", "My ZIP code is ", "Post code: "])
def test_a_number_is_an_address_behind_the_word_postcode(lead: str) -> None:
    assert is_plausible("ADDRESS", f"{lead}35350", len(lead), len(lead) + 5, 0.6)


@pytest.mark.parametrize(
    ("text", "word", "plausible"),
    [
        ("['Moscow', 'Paris']", "Paris", False),
        ("('Paris', 2000000), ('Moscow', 12000000)", "Paris", False),
        ("Jack London", "London", True),
        ("Paris lives in Moscow", "Paris", True),
    ],
)
def test_a_town_that_is_a_name_too_is_a_town_in_a_list_only(text: str, word: str, plausible: bool) -> None:
    start = text.index(word)
    assert is_plausible("PERSON", text, start, start + len(word), 1.0) is plausible
