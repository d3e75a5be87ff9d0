"""Recognisers of phone numbers by their writing, of the world and of Russia. phonenumbers knows the numbering
plans; it decides where writing does not, for it takes 0.1 ms a number."""

import re

import phonenumbers
from presidio_analyzer import Pattern

from gateway.adapters.presidio.sheets import CopiedNumber
from gateway.adapters.presidio.writing import BEGIN, END, LANGUAGE, LIKELY, NEEDS_CONTEXT, SURE, digits_of

_PHONE_CONTEXT = [
    "phone", "telephone", "tel", "cell", "cellphone", "mobile", "mob", "call", "fax", "desk", "office",
    "contact", "whatsapp", "viber", "sms", "answering", "messages", "my signal", "on signal",
    "телефон", "тел", "моб", "мобильн", "сотов", "звони", "звонк", "позвон", "факс", "ватсап", "вотсап",
    "вацап", "вайбер", "номер в сигнале",
]  # fmt: skip
_EXTENSION = r"(?:,? ?(?:x|ext\.?|доб\.?) ?\d{1,5})?"
_PHONE = [
    Pattern(
        "international",
        r"(?<![A-Za-z0-9_+])\+[1-9]\d{0,2}(?:[ .()-]{0,3}\d){6,12}" + _EXTENSION + r"(?!\w)(?!-\d)",
        SURE,
    ),
    Pattern("00 prefix", r"(?<![\w.-])00[1-9]\d{0,2}(?:[ .()-]{1,2}\d{2,4}){3,5}(?!\w)(?![.-]\d)", LIKELY),
    Pattern(
        "North America",
        BEGIN
        + r"[1-9](?:(?<=1)[ .-]\(?[2-9]\d{2}\)?[ .-]?|\d{2}[.-])[2-9]\d{2}[ .-]\d{4}"
        + _EXTENSION
        + END,
        LIKELY,
    ),
    Pattern(
        "North America, brackets",
        r"\((?<!\w\()[2-9]\d{2}\) ?[2-9]\d{2}[ .-]\d{4}" + _EXTENSION + END,
        LIKELY,
    ),
    Pattern(
        "after a label",
        r"\(?\d(?<=(?i:(?<![^\W\d_])(?:phone|tel|mobile|cell|fax|тел|телефон)\.?:?\s{1,2}\(?\d))"
        r"(?:[ .()/-]{0,2}\d){5,14}(?!\w)",
        LIKELY,
    ),
    Pattern("near a word", r"(?<![\w.+-])\(?0?\d(?:[ .()-]{0,2}\d){6,12}(?!\w)(?![.,-]\d)", NEEDS_CONTEXT),
]  # fmt: skip
_SHORT = 10  # digits: a shorter number after "+" may be a summand, and the numbering plans decide


class Phone(CopiedNumber):
    def __init__(self) -> None:
        super().__init__(
            "PHONE",
            name="Phone",
            supported_language=LANGUAGE,
            patterns=_PHONE,
            context=_PHONE_CONTEXT,
            global_regex_flags=re.MULTILINE,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        if pattern_text[0] != "+" or len(digits_of(pattern_text)) >= _SHORT:
            return False
        return not is_phone(pattern_text, None)


def is_phone(text: str, region: str | None) -> bool:
    """Whether some country's plan has such a number; `region` is of a number without a country's code."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


_ONE_BY_ONE = re.compile(r"\+? ?\d(?:[ .-]\d){10}")

_RUSSIAN = [
    # 8 (903) 397-14-97, 8-812-188-17-87, +7 960 234 97 50, 7.903.397.14.97
    Pattern(
        "with separators",
        BEGIN + r"(?:\+7|8|7)[ .-]{0,2}\(?[3-9]\d{2}\)?[ .-]{0,2}\d{3}[ .-]{1,2}\d{2}[ .-]{0,2}\d{2}" + END,
        SURE,
    ),
    Pattern(
        "with brackets",
        BEGIN + r"(?:(?:\+7|8|7) ?)?\([3-9]\d{2,4}\) ?\d{1,3}(?:[ .-]?\d{2}){2}" + END,
        SURE,
    ),
    Pattern("mobile, bare", BEGIN + r"(?:\+7|8)9\d{9}" + END, SURE),
    Pattern("mobile, bare, no plus", BEGIN + r"79\d{9}" + END, LIKELY),
    Pattern(
        "mobile, in any groups",
        BEGIN + r"(?:\+7|8|7)[ .()_/*-]{1,3}9\d{2}(?:[ .()_/*-]{0,3}\d){7}" + END,
        LIKELY,
    ),
    Pattern(
        "one by one", BEGIN + r"(?<!\d )(?:\+ ?7|[78])(?:[ .-][3-9])(?:[ .-]\d){9}(?! ?\d)" + END, LIKELY
    ),
    Pattern("without prefix", BEGIN + r"9\d{2}[ -]\d{3}[ -]\d{2}[ -]\d{2}" + END, LIKELY),
    Pattern(
        "mobile, bare, without prefix", BEGIN + r"9\d{2}[ -]?\d{3}[ -]?\d{2}[ -]?\d{2}" + END, NEEDS_CONTEXT
    ),
    Pattern("city, bare", BEGIN + r"[78][3-9]\d{9}" + END, NEEDS_CONTEXT),
]
_RUSSIAN_CONTEXT = [
    "тел", "телефон", "моб", "мобильн", "сотов", "звони", "звонк", "позвон", "факс", "номер", "phone", "tel",
    "mobile", "call", "вайбер", "ватсап", "вотсап", "вацап", "whatsapp", "viber",
]  # fmt: skip


class RussianPhone(CopiedNumber):
    def __init__(self) -> None:
        super().__init__(
            "PHONE",
            name="RussianPhone",
            supported_language=LANGUAGE,
            patterns=_RUSSIAN,
            context=_RUSSIAN_CONTEXT,
            global_regex_flags=re.MULTILINE,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        """Eleven single digits are a row of an array as well: the numbering plan decides."""
        return bool(_ONE_BY_ONE.fullmatch(pattern_text)) and not is_phone(digits_of(pattern_text), "RU")
