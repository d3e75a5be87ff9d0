"""Recognisers of Russian numbers: phone, passport, INN, SNILS."""

import re

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer

from gateway.adapters.presidio.checksums import is_inn, is_snils
from gateway.adapters.presidio.patterns import BEGIN, END, LANGUAGE, LIKELY, NEEDS_CONTEXT, SURE

_FLAGS = re.IGNORECASE | re.MULTILINE

_PHONE = [
    # 8 (903) 397-14-97, 8-812-188-17-87, +7 960 234 97 50, 7.903.397.14.97
    Pattern(
        "with separators",
        BEGIN + r"(?:\+7|8|7)[ .-]{0,2}\(?[3-9]\d{2}\)?[ .-]{0,2}\d{3}[ .-]\d{2}[ .-]?\d{2}" + END,
        SURE,
    ),
    Pattern(
        "with brackets",
        BEGIN + r"(?:\+7|8|7)? ?\([3-9]\d{2,4}\) ?\d{1,3}(?:[ .-]?\d{2}){2}" + END,
        SURE,
    ),
    Pattern("mobile, bare", BEGIN + r"(?:\+7|8)9\d{9}" + END, LIKELY),
    Pattern("without prefix", BEGIN + r"9\d{2}[ -]\d{3}[ -]\d{2}[ -]\d{2}" + END, LIKELY),
    Pattern("city, bare", BEGIN + r"[78][3-9]\d{9}" + END, NEEDS_CONTEXT),
]
_PHONE_CONTEXT = [
    "тел",
    "телефон",
    "моб",
    "мобильн",
    "сотов",
    "звон",
    "позвон",
    "факс",
    "номер",
    "phone",
    "tel",
    "mobile",
    "call",
]

_PASSPORT = [
    Pattern(
        "серия номер",
        r"(?<!\w)сери[яиюей]{1,2}:? *\d{2} ?\d{2},? *(?:номер|№|no?\.?|n)?:? *\d{6}(?!\w)",
        SURE,
    ),
    Pattern("number sign", BEGIN + r"\d{2} ?\d{2} ?(?:№|номер) ?\d{6}" + END, SURE),
    Pattern("номер, серия", r"(?<!\w)(?:№|номер) ?\d{6},? *сери[яиюей]{1,2}:? *\d{2} ?\d{2}(?!\w)", SURE),
    Pattern("digits", BEGIN + r"\d{2}[ -]?\d{2}[ -]?\d{6}" + END, NEEDS_CONTEXT),
    Pattern("for travel", BEGIN + r"\d{2} ?(?:№ ?)?\d{7}" + END, NEEDS_CONTEXT),
]


class Inn(PatternRecognizer):
    """Twelve digits with right check digits stand alone; ten (one in ten is right by chance) need a word."""

    def __init__(self) -> None:
        super().__init__(
            "INN",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("person", BEGIN + r"\d{12}" + END, LIKELY),
                Pattern("organisation", BEGIN + r"\d{10}" + END, NEEDS_CONTEXT),
                Pattern("in groups", BEGIN + r"\d{4} \d{4} \d{4}(?! \d)" + END, NEEDS_CONTEXT),
            ],
            context=["инн", "inn", "налогоплательщик", "taxpayer", "tin"],
            global_regex_flags=_FLAGS,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        return not is_inn(pattern_text.replace(" ", ""))


class Snils(PatternRecognizer):
    """The usual grouping stands alone; eleven bare digits look like a phone and need a word."""

    def __init__(self) -> None:
        super().__init__(
            "SNILS",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("grouped", BEGIN + r"\d{3}[ -]\d{3}[ -]\d{3}[ -]\d{2}" + END, SURE),
                Pattern("bare", BEGIN + r"\d{9}[ -]?\d{2}" + END, NEEDS_CONTEXT),
            ],
            context=["снилс", "snils", "страхов", "пенсионн"],
            global_regex_flags=_FLAGS,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        return not is_snils(pattern_text.replace(" ", "").replace("-", ""))


def recognizers() -> list[EntityRecognizer]:
    return [
        PatternRecognizer(
            "PHONE",
            name="RussianPhone",
            supported_language=LANGUAGE,
            patterns=_PHONE,
            context=_PHONE_CONTEXT,
            global_regex_flags=_FLAGS,
        ),
        PatternRecognizer(
            "PASSPORT",
            supported_language=LANGUAGE,
            patterns=_PASSPORT,
            context=["паспорт", "passport", "загранпаспорт"],
            global_regex_flags=_FLAGS,
        ),
        Inn(),
        Snils(),
    ]
