"""Recognisers of where money lies: payment cards and IBAN."""

import re

from presidio_analyzer import LocalRecognizer, Pattern, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from stdnum import iban, luhn, numdb

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.sheets import CopiedNumber
from gateway.adapters.presidio.writing import BEGIN, END, LANGUAGE, NEEDS_CONTEXT, SURE, digits_of

_CARD_CONTEXT = [
    "card", "visa", "mastercard", "maestro", "amex", "credit", "debit",
    "карта", "карты", "карту", "карте", "карточк", "мир", "счёт", "счёта", "счет", "счета",
]  # fmt: skip
_CARD_OR_INSURANCE = re.compile(r"(?<!\w)(?:(полис|омс|енп|oms)|карт|card|visa|мир|счёт|счет)")
_CARD = [
    Pattern(
        "16 digits",
        BEGIN + r"(?<!\d )[2-6]\d{3}(?<!2[01]\d\d)([ .-]{0,2})\d{4}\1\d{4}\1\d{4}(?! \d{4}(?!\d))" + END,
        SURE,
    ),
    Pattern("one by one", BEGIN + r"(?<!\d )[2-6](?: \d){15}(?<!2 [01](?: \d){14})(?! \d)" + END, SURE),
    Pattern("amex, diners", BEGIN + r"3[04-9]\d{2}[ -]?\d{6}[ -]?\d{4,5}(?! ?\d)" + END, SURE),
    Pattern("Visa 13, JCB 15", BEGIN + r"(?:4\d{12}|(?:1800|2131)\d{11})" + END, SURE),
    Pattern("UnionPay, MIR 17-19", BEGIN + r"(?:62|220[0-4])\d{14,17}" + END, SURE),
    # One in ten long numbers passes Luhn: any other is a card only near a word that says so.
    Pattern("12 to 19 digits", BEGIN + r"(?<!\d )\d(?:[ _/-]{0,2}\d){11,18}(?! ?\d)" + END, NEEDS_CONTEXT),
]


class Card(CopiedNumber):
    """Numbers of payment cards that pass Luhn, MIR's and Mastercard's second series too. The number of an
    insurance policy has the same check digit: the nearest word before decides."""

    checked = True

    def __init__(self) -> None:
        super().__init__(
            "CARD",
            name="Card",
            supported_language=LANGUAGE,
            patterns=_CARD,
            context=_CARD_CONTEXT,
            global_regex_flags=re.MULTILINE,
        )

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,
        regex_flags: int | None = None,
    ) -> list[RecognizerResult]:
        results = super().analyze(text, entities, nlp_artifacts, regex_flags)
        return [result for result in results if not insurance_is_named(text, result.start)]

    def invalidate_result(self, pattern_text: str) -> bool:
        return not luhn.is_valid(digits_of(pattern_text))


def insurance_is_named(text: str, start: int) -> bool:
    """Whether the nearest word of the two kinds before `start` speaks of an insurance policy."""
    words = _CARD_OR_INSURANCE.findall(text[max(0, start - 60) : start].lower())
    return bool(words and words[-1])


class Iban(LocalRecognizer):
    """As long as its country's are: what follows it in the sentence is no part of it. Small letters too."""

    _SHAPE = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
    _PART = re.compile(r"\d+(?=!)")

    def load(self) -> None:
        """The countries' formats: "4!a6!n8!n" for GB."""
        self._countries = numdb.get("iban")

    def __init__(self) -> None:
        super().__init__(["IBAN"], supported_language=LANGUAGE, name="Iban")

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        results = []
        for match in self._SHAPE.finditer(text):
            end = self._end(match)
            ends_a_word = end and not text[end : end + 1].isalnum()
            if ends_a_word and iban.is_valid(text[match.start() : end], check_country=False):
                results.append(found(self, "IBAN", match.start(), end, SURE))
        return results

    def _end(self, match: re.Match[str]) -> int:
        """Where a number of the country that it begins with would end; 0 where there is no such country."""
        country = self._countries.info(match[0][:2].upper())[0][1]
        left = 4 + sum(map(int, self._PART.findall(country.get("bban", "")))) if country else 0
        for offset, character in enumerate(match[0]):
            left -= character.isalnum()
            if left == 0:
                return match.start() + offset + 1
        return 0
