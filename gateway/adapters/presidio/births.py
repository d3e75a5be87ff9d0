"""Dates of birth: a date beside a word that speaks of somebody's birth. A date alone is none.

The word is looked for first, for it is rare, and the date around it. Who was born before 1925 is history, and
stays: «А. С. Пушкин родился 6 июня 1799 года».
"""

import re

from presidio_analyzer import EntityRecognizer, LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.writing import LANGUAGE, SURE, near_digits

_FIRST_YEAR = 1925
_BEFORE, _AFTER = 32, 64  # characters around the word: the longest date; a place and the longest date

_WORD = re.compile(
    r"(?<![^\W\d_])(?:родил(?:ся|ась|ись)|рожд[её]н\w{0,2}|рождени[яеию]|д\. ?р\.|др(?=\s?[:—-])"
    r"|г\. ?р\.|г/р|гр(?=\.?\s?[,.])|born|birth(?:[ _]?(?:day|date))?|bday|dob|d\.o\.b\.?)(?![^\W\d_])",
    re.IGNORECASE,
)
_MONTH = (
    r"(?:январ[ья]|феврал[ья]|марта?|апрел[ья]|ма[йя]|июн[ья]|июл[ья]|августа?|сентябр[ья]|октябр[ья]|ноябр[ья]"
    r"|декабр[ья]|янв\.?|фев\.?|апр\.?|авг\.?|сент?\.?|окт\.?|ноя\.?|дек\.?|jan(?:uary)?\.?|feb(?:ruary)?\.?"
    r"|mar(?:ch)?\.?|apr(?:il)?\.?|may|june?\.?|july?\.?|aug(?:ust)?\.?|sept?(?:ember)?\.?|oct(?:ober)?\.?"
    r"|nov(?:ember)?\.?|dec(?:ember)?\.?)"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"""(?<![\w.])(?:
        {_DAY}\s?[./-]\s?(?:0?[1-9]|1[0-2])\s?[./-]\s?(?P<a>\d{{4}}|\d\d)
      | (?:0?[1-9]|1[0-2])/{_DAY}/(?P<b>\d{{4}}|\d\d)
      | (?P<c>\d{{4}})[./-](?:0?[1-9]|1[0-2])[./-]{_DAY}
      | {_DAY}(?:st|nd|rd|th|-го|-е)?(?:\sof)?[\s-]{_MONTH}
        (?:,?[\s-](?P<d>\d{{4}}|'?\d\d(?!\d)))?(?:\s?года)?
      | {_MONTH}\s{_DAY}(?:st|nd|rd|th)?(?:,?\s(?P<e>\d{{4}}))?
    )(?![A-Za-z0-9_]|[./-]\d)""",
    re.VERBOSE | re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\w.])(?P<year>\d{4})(?:\s?(?:года|год|г\.))?,?\s?\Z")
# Between the word and the date: no end of a sentence, but for «г. Казань»; a date after it is another one.
_GAP_AFTER = re.compile(r"(?:[^.!?;\d]|\b(?:г|гор|обл|р)\.){0,40}\Z", re.IGNORECASE)
_GAP_BEFORE = re.compile(
    r"[\s,(—-]{0,3}(?:г\.|год[а]?|is|was|my|his|her|the|это|мой|мо[её]|день|дата|date|of|[\s,—-]){0,12}\Z"
)


class DateOfBirth(LocalRecognizer):
    def __init__(self) -> None:
        super().__init__(["DATE_OF_BIRTH"], supported_language=LANGUAGE, name="DateOfBirth")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        spans = set()
        for start, end in near_digits(text, _AFTER, _BEFORE):
            for word in _WORD.finditer(text, start, end):
                span = _date_after(text, word.end()) or _date_before(text, word.start(), word[0])
                if span:
                    spans.add(span)
        return [found(self, "DATE_OF_BIRTH", start, end, SURE) for start, end in sorted(spans)]


def _date_after(text: str, position: int) -> tuple[int, int] | None:
    date = _DATE.search(text, position, position + _AFTER)
    if date and _is_recent(date) and _GAP_AFTER.match(text, position, date.start()):
        return date.span()
    return None


def _date_before(text: str, position: int, word: str) -> tuple[int, int] | None:
    start = max(0, position - _BEFORE)
    for date in _DATE.finditer(text, start, position):
        if _is_recent(date) and _GAP_BEFORE.match(text, date.end(), position):
            return date.span()
    # «2001 г.р.», «2001 года рождения»: the year alone
    year = _YEAR.search(text, start, position) if word[0] in "гГрР" else None
    return year.span("year") if year and int(year["year"]) >= _FIRST_YEAR else None


def _is_recent(date: re.Match[str]) -> bool:
    year = next((year for year in date.groups() if year), "")
    return len(year) < 4 or int(year) >= _FIRST_YEAR


def recognizers() -> list[EntityRecognizer]:
    return [DateOfBirth()]
