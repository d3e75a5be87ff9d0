"""Dates of birth: a date beside a word that speaks of somebody's birth. A date alone is none.

The word is looked for first, for it is rare, and the date around it. Who was born before 1925 is history, and
stays: «А. С. Пушкин родился 6 июня 1799 года». So does the birth of somebody who is subject matter: «Юрий
Гагарин родился 9 марта 1934 года». A year alone is personal where the sentence speaks of the writer.
"""

import re
from collections.abc import Iterator

from presidio_analyzer import EntityRecognizer, RecognizerResult

from gateway.adapters.presidio.citations import is_cited
from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.reading import TextRecognizer
from gateway.adapters.presidio.writing import LANGUAGE, SURE, near_digits

_FIRST_YEAR, _LAST_YEAR = 1925, 2030
_BEFORE, _AFTER = 32, 64  # characters around the word: the longest date; a place and the longest date
_SENTENCE = 120  # characters of the sentence read before the word

_WORD = re.compile(
    r"(?<![^\W\d_])(?=[рдгbdgn])(?:(?P<verb>родил(?:ся|ась|ись)|рожд[её]н(?:н\w{2,3}|[аы])?|born|geboren)|рождени[яеию]|рожд\."
    r"|д\. ?р\.|др(?=\s?[:—-])|г\. ?р\.|г/р|гр(?=\.?\s?[,.])|(?:dateof)?birth(?:[ _]?(?:day|date))?|bday|dob"
    r"|d\.o\.b\.?|geb\.|geburts(?:datum|tag)|naissance|née?|nacimiento|nacid[oa])(?![^\W\d_])",
    re.IGNORECASE,
)
_MONTH = (
    r"(?:январ[ья]|феврал[ья]|марта?|апрел[ья]|ма[йя]|июн[ья]|июл[ья]|августа?|сентябр[ья]|октябр[ья]|ноябр[ья]"
    r"|декабр[ья]|янв\.?|фев\.?|апр\.?|авг\.?|сент?\.?|окт\.?|ноя\.?|дек\.?|jan(?:uary)?\.?|feb(?:ruary)?\.?"
    r"|mar(?:ch)?\.?|apr(?:il)?\.?|may|june?\.?|july?\.?|aug(?:ust)?\.?|sept?(?:ember)?\.?|oct(?:ober)?\.?"
    r"|nov(?:ember)?\.?|dec(?:ember)?\.?)"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DAY_IN_WORDS = (
    r"(?:(?:двадцать\s|тридцать\s)?(?:перв|втор|трет|четв[её]рт|пят|шест|седьм|восьм|девят|десят|[а-я]{3,8}надцат"
    r"|двадцат|тридцат)(?:ого|ьего|ое)|(?:(?:twenty|thirty)[\s-])?(?:first|second|third|fourth|fifth|sixth|seventh"
    r"|eighth|ninth|tenth|eleventh|twelfth|[a-z]{3,5}teenth|twentieth|thirtieth))"
)
_DATE = re.compile(
    rf"""(?<![\w.])(?:
        {_DAY}\s?[./-]\s?(?:0?[1-9]|1[0-2])\s?[./-]\s?(?P<a>\d{{4}}|\d\d)
      | (?:0?[1-9]|1[0-2])/{_DAY}/(?P<b>\d{{4}}|\d\d)
      | (?P<c>\d{{4}})[./-](?:0?[1-9]|1[0-2])[./-]{_DAY}
      | {_DAY}(?:st|nd|rd|th|-го|-е)?(?:\sof)?[\s-]{_MONTH}
        (?:,?[\s-](?P<d>\d{{4}}|'?\d\d(?!\d)))?(?:\s?года)?
      | {_DAY_IN_WORDS}(?:\sof)?\s{_MONTH},?\s(?P<f>\d{{4}})(?:\s?года)?
      | {_MONTH}\s{_DAY}(?:st|nd|rd|th)?(?:,?\s(?P<e>\d{{4}}))?
    )(?![A-Za-z0-9_]|[./-]\d)""",
    re.VERBOSE | re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\w.])(?P<year>\d{4})(?:\s?(?:года|год|г\.))?,?\s?\Z")
_YEAR_AFTER = re.compile(
    r"\s(?:[яЯ]\s)?(?:(?:back\s)?in\s|в\s|im\sJahr\s)?(?P<year>\d{4})(?:\s?(?:году|года|г\.))?(?![\w.-]\d|\w)"
)
_MY_YEAR = re.compile(r"[Яя](?<!\w[Яя])\s(?P<year>\d{4})\s(?:года|г\.)(?=\s?(?:[.,;!)\n]|и\s|рожд|\Z))")
_WRITER = re.compile(
    r"(?i)(?<!\w)(?:я|мы|мой|моя|мои|мо[её]|меня|мне|наш\w?|i|i'm|we|my|our|me|ich|mein\w?)(?!\w)"
)
_BEGINNING = re.compile(r"(?:\A|[.!?\n;:(,|])[\s\"'«]{0,3}\Z")
_END_OF_SENTENCE = re.compile(r"[.!?](?<![А-ЯЁA-Z]\.)\s|\n")
_NAME = re.compile(r"[A-ZÀ-ÞА-ЯЁ][^\W\d_]+(?:[ -][A-ZÀ-ÞА-ЯЁ][^\W\d_]+){0,2}")
# Between the word and the date: no end of a sentence, but for «г. Казань»; a date after it is another one.
_GAP_AFTER = re.compile(r"(?:[^.!?;\d]|\b(?:г|гор|обл|р)\.){0,40}\Z", re.IGNORECASE)
_GAP_BEFORE = re.compile(
    r"[\s,(—-]{0,3}(?:г\.|год[а]?|is|was|my|his|her|the|это|мой|мо[её]|день|дата|date|of|[\s,—-]){0,12}\Z"
)


class DateOfBirth(TextRecognizer):
    def __init__(self) -> None:
        super().__init__(["DATE_OF_BIRTH"], supported_language=LANGUAGE, name="DateOfBirth")

    def read(self, text: str) -> list[RecognizerResult]:
        spans = {
            span
            for start, end in near_digits(text, _AFTER, _BEFORE)
            for span in (*_beside_words(text, start, end), *_my_years(text, start, end))
        }
        return [found(self, "DATE_OF_BIRTH", start, end, SURE) for start, end in sorted(spans)]


def _beside_words(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for word in _WORD.finditer(text, start, end):
        span = _date_after(text, word.end()) or _date_before(text, word.start(), word[0])
        if span is None and word["verb"]:
            span = _year_after(text, word)
        if span and not (word["verb"] and _is_of_the_famous(text, word.start(), span[1])):
            yield span


def _my_years(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """«Я 2003 года»."""
    for mine in _MY_YEAR.finditer(text, start, end):
        if _is_of_the_living(mine["year"]):
            yield mine.span("year")


def _sentence_before(text: str, position: int) -> int:
    """Where the sentence begins that `position` stands in."""
    start = max(0, position - _SENTENCE)
    ends = [end.end() for end in _END_OF_SENTENCE.finditer(text, start, position)]
    return ends[-1] if ends else start


def _is_of_the_famous(text: str, position: int, end: int) -> bool:
    """Whether the name nearest to the verb before it, else behind it, is subject matter, and nobody else is
    spoken of."""
    start = _sentence_before(text, position)
    if _WRITER.search(text, start, end):
        return False
    names = [*_NAME.finditer(text, start, position)] or [*_NAME.finditer(text, position, end)][:1]
    cited = [
        lexicon().is_subject_matter(text, *name.span()) or is_cited(text, *name.span()) for name in names
    ]
    others = [name[0] for name, is_famous in zip(names, cited, strict=True) if not is_famous]
    return bool(cited) and cited[-1] and not any(map(_begins_with_a_given_name, others))


def _begins_with_a_given_name(name: str) -> bool:
    first = name.replace("-", " ").split()[0]
    return lexicon().is_given_ru(first) or first.lower() in lexicon().given_en


def _year_after(text: str, word: re.Match[str]) -> tuple[int, int] | None:
    """«Я родился в 2001 году», "born 2001" where a line or a clause begins; of others a year tells little."""
    year = _YEAR_AFTER.match(text, word.end())
    if year is None or not _is_of_the_living(year["year"]):
        return None
    start = _sentence_before(text, word.start())
    if _WRITER.search(text, start, year.start()) or _BEGINNING.search(text[start : word.start()]):
        return year.span("year")
    return None


def _is_of_the_living(year: str) -> bool:
    return _FIRST_YEAR <= int(year) <= _LAST_YEAR


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
