"""Recognisers of what looks the same in every language, and what all recognisers are made with.

Every pattern starts at a fixed boundary and is bounded or possessive: time is linear in the text. And it
starts with one plain character or class: `regex` then skips to the next candidate (5 us per KB; a pattern
that starts with a choice takes 50 or 200).
"""

import re

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer
from stdnum.us import ssn

from gateway.adapters.presidio.accounts import Card, Iban
from gateway.adapters.presidio.internet import Email, Ip, Url
from gateway.adapters.presidio.labelled import LabelledNumber
from gateway.adapters.presidio.phones import Phone, RussianPhone
from gateway.adapters.presidio.writing import BEGIN, END, LANGUAGE, LIKELY, NEEDS_CONTEXT, SURE, digits_of

__all__ = ["LANGUAGE", "LIKELY", "NEEDS_CONTEXT", "SURE", "recognizers"]


class SocialSecurity(PatternRecognizer):
    """US numbers: three, two and four digits stand alone in prose, other writings need a word."""

    def __init__(self) -> None:
        super().__init__(
            "US_SSN",
            name="SocialSecurity",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("dashes", BEGIN + r"\d{3}-\d{2}-\d{4}" + END, LIKELY),
                Pattern("other", BEGIN + r"\d{3}([ .]?)\d{2}\1\d{4}" + END, NEEDS_CONTEXT),
            ],
            context=["ssn", "ssns", "social security", "social_security"],
            global_regex_flags=re.MULTILINE,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        return not ssn.is_valid(digits_of(pattern_text))


def recognizers() -> list[EntityRecognizer]:
    """E-mail, URL with credentials, card, IBAN, IP, phones, US social security numbers."""
    return [Email(), Url(), Card(), Iban(), Ip(), Phone(), RussianPhone(), SocialSecurity(), LabelledNumber()]
