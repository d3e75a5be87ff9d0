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
        ("ORGANIZATION", "--", 1.0, False),
    ],
)
def test_spelling_has_the_last_word(kind: str, words: str, score: float, plausible: bool) -> None:
    assert is_plausible(kind, words, 0, len(words), score) is plausible


@pytest.mark.parametrize("lead", ["zip ", "My ZIP code is ", "Post code: "])
def test_a_number_is_an_address_behind_the_word_postcode(lead: str) -> None:
    assert is_plausible("ADDRESS", f"{lead}35350", len(lead), len(lead) + 5, 0.6)
