"""Recognisers of Russian numbers: passport, INN, SNILS, the policy of medical insurance (OMS)."""

import re

from presidio_analyzer import EntityRecognizer, Pattern
from stdnum import luhn
from stdnum.ru import inn

from gateway.adapters.presidio.checksums import is_snils
from gateway.adapters.presidio.sheets import CopiedNumber
from gateway.adapters.presidio.writing import BEGIN, END, LANGUAGE, LIKELY, NEEDS_CONTEXT, SURE, digits_of

_PASSPORT = [
    Pattern(
        "серия номер",
        r"(?<!\w)сери[яиюей]{1,2}:? *\d{2} ?\d{2},? *(?:номер|№|no?\.?|n)?:? *\d{3} ?\d{3}(?!\w)",
        SURE,
    ),
    Pattern("number sign", BEGIN + r"\d{2} ?\d{2} ?(?:№|номер) ?\d{6}" + END, SURE),
    Pattern("номер, серия", r"(?<!\w)(?:№|номер) ?\d{6},? *сери[яиюей]{1,2}:? *\d{2} ?\d{2}(?!\w)", SURE),
    Pattern("digits", BEGIN + r"\d{2}[ -]{0,2}\d{2}[ -]{0,2}\d{6}" + END, NEEDS_CONTEXT),
    Pattern("for travel", BEGIN + r"\d{2} ?(?:№ ?)?\d{7}" + END, NEEDS_CONTEXT),
    Pattern("one by one", BEGIN + r"\d(?: \d){9}(?! ?\d)" + END, NEEDS_CONTEXT),
    Pattern("birth certificate", BEGIN + r"[IVXLC]{1,4} ?- ?[А-ЯЁ]{2} ?(?:№|номер)? ?\d{6}" + END, LIKELY),
]


class Inn(CopiedNumber):
    """Twelve digits with right check digits stand alone; ten (one in ten is right by chance) need a word."""

    checked = True

    def __init__(self) -> None:
        super().__init__(
            "INN",
            name="Inn",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("person", BEGIN + r"\d{12}" + END, LIKELY),
                Pattern("organisation", BEGIN + r"\d{10}" + END, NEEDS_CONTEXT),
                Pattern("in groups", BEGIN + r"\d{4}([ -])\d{4}\1\d{4}(?! \d)" + END, NEEDS_CONTEXT),
                Pattern("in pairs", BEGIN + r"\d{2}(?:[ -]\d{2}){4,5}(?! \d)" + END, NEEDS_CONTEXT),
                Pattern("one by one", BEGIN + r"\d(?: \d){9}(?: \d \d)?(?! ?\d)" + END, NEEDS_CONTEXT),
            ],
            context=["инн", "inn", "налогоплательщик", "taxpayer", "tin"],
            global_regex_flags=re.MULTILINE,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        digits = digits_of(pattern_text)
        return digits.startswith("00") or not inn.is_valid(digits)


class Snils(CopiedNumber):
    """The usual grouping stands alone; eleven bare digits look like a phone and need a word."""

    checked = True

    def __init__(self) -> None:
        super().__init__(
            "SNILS",
            name="Snils",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("grouped", BEGIN + r"\d{3}[ -]{1,2}\d{3}[ -]{1,2}\d{3}[ -]{1,2}\d{2}" + END, SURE),
                Pattern("bare", BEGIN + r"\d{9}[ -]?\d{2}" + END, NEEDS_CONTEXT),
                Pattern("one by one", BEGIN + r"\d(?:[ .-]\d){10}(?! ?\d)" + END, NEEDS_CONTEXT),
                Pattern(
                    "in odd groups", BEGIN + r"\d{3}[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d{2}" + END, NEEDS_CONTEXT
                ),
            ],
            context=["снилс", "snils", "страхов", "пенсионн"],
            global_regex_flags=re.MULTILINE,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        return not is_snils(digits_of(pattern_text))


class Oms(CopiedNumber):
    """The uniform number of an insured person, 16 digits. Its rule doubles the digits in odd places as one
    number, which has the digit sum of Luhn's rule: a card's check digit, so a word must say what it is."""

    checked = True

    def __init__(self) -> None:
        super().__init__(
            "OMS",
            name="Oms",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("grouped", BEGIN + r"\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}(?! ?\d)" + END, NEEDS_CONTEXT),
                Pattern("one by one", BEGIN + r"\d(?: \d){15}(?! ?\d)" + END, NEEDS_CONTEXT),
            ],
            context=["полис", "омс", "енп", "oms"],
            global_regex_flags=re.MULTILINE,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        return not luhn.is_valid(digits_of(pattern_text))


def recognizers() -> list[EntityRecognizer]:
    passport = CopiedNumber(
        "PASSPORT",
        name="Passport",
        supported_language=LANGUAGE,
        patterns=_PASSPORT,
        context=["паспорт", "passport", "загранпаспорт"],
        global_regex_flags=re.IGNORECASE | re.MULTILINE,
    )
    return [passport, Inn(), Snils(), Oms()]
