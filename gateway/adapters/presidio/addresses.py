"""Postal addresses in Russian: a street with a house's number, and what stands around it.

A street alone or a city alone is no address. The word for a street is looked for first, then the name and
the house after it (or the name before it: «Невский пр-т, 28»), then index, region and town to the left and
the flat to the right.
"""

import re
from collections.abc import Iterator

from presidio_analyzer import EntityRecognizer, RecognizerResult

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.latin_addresses import LatinAddress
from gateway.adapters.presidio.reading import TextRecognizer
from gateway.adapters.presidio.writing import LANGUAGE, LIKELY, SURE, near_digits

_STREET = re.compile(
    r"(?<![\w-])(?:[Уу]л(?:\.|иц[аеыу]|ицей)?|УЛ\.?|[Пп]р(?:-к?т|осп(?:ект[а-я]{0,2}|\.)?|-д|оезд[а-я]{0,2}|\.)"
    r"|[Пп]ер(?:\.|еул[а-я]{2,4})|[Шш](?:\.|оссе)|[Нн]аб(?:\.|ережн[а-я]{2,3})|[Бб](?:-р|ул(?:\.|ьвар[а-я]{0,2}))"
    r"|[Пп]л(?:\.|ощад[а-я]{1,2})|[Тт]уп(?:\.|ик[а-я]{0,2})|[Аа]лле[яиею]|[Мм](?:кр(?:\.|-н|н)?|икрорайон[а-я]{0,2})"
    r"|[Тт]ракт[а-я]{0,2}|[Кк]в-л|[Лл]ини[яи])(?![\w-])\.?"
)
_SMALL = "лет|года|реки|канала|имени|академика|профессора|маршала|генерала|адмирала|героев"
_WORD = (
    rf"(?:[А-ЯЁ][а-яё]+(?:-[А-ЯЁа-яё]+)*|[А-ЯЁ]\.|им\.|\d{{1,4}}(?:-[а-я]{{1,3}})?(?=\s[А-ЯЁлг])|{_SMALL}|и)"
)
_NAME = rf"\s?[«\"]?{_WORD}(?:\s?{_WORD}){{0,4}}[»\"]?"
_NUMBER = r"\d{1,4}(?:\s?[а-еА-Е](?![\w]))?(?:\s?[/-]\s?\d{1,4}[а-яА-Я]?(?!\w))?(?!\w|[.,]\d)"
_DWELLING = rf",?\s{{0,2}}(?:дом[а-я]{{0,2}}|д|вл(?:адение)?|зд|уч(?:асток)?)\.?\s?№?\s?{_NUMBER}"
_ROOM_WORD = (
    r"(?:корп(?:ус)?|к|стр(?:оение)?|лит(?:ера?)?|кв(?:артира)?|оф(?:ис)?|под(?:ъезд)?|эт(?:аж)?|комн?(?:ата)?"
    r"|пом(?:ещение)?|блок)"
)
_ROOM = rf"[,;]?\s{{0,2}}{_ROOM_WORD}\.?\s?№?\s?(?:\d{{1,4}}[а-яА-Я]?|[А-Я])(?!\w)"
# A bare number is a house's after a comma; after a blank it may count the next word: «улица Ленина 20 домов».
_HOUSE = rf"(?:{_DWELLING}|,\s{{0,2}}{_NUMBER}|\s{_NUMBER}(?!\s(?!{_ROOM_WORD}(?![а-яё]))[а-яё]))"
_TOWN_OR_INDEX = r"(?:,\s{0,2}(?:г\.\s?|город\s)[А-ЯЁ][а-яё]+(?:-[А-ЯЁа-яё]+)*|,\s{0,2}\d{6}(?!\d))"
_REST = rf"(?:{_ROOM}){{0,5}}{_TOWN_OR_INDEX}{{0,2}}"
# «ул ленина 5 кв 12»
_CASUAL = (
    rf"\s[а-яё]{{3,20}}(?:\s[а-яё]{{3,20}})?(?:{_DWELLING}|\s{_NUMBER}(?=,?\s(?:кв|корп|к|под|оф)\.?\s?\d))"
)
_AFTER_STREET = re.compile(f"(?:{_NAME}{_HOUSE}|{_CASUAL}){_REST}")
_HOUSE_ONLY = re.compile(f"{_HOUSE}{_REST}")
_NAME_BEFORE = re.compile(
    r"(?<![\w-])(?:[А-ЯЁ][а-яё]+(?:-[А-ЯЁа-яё]+)*|\d{1,3}-[а-я]{1,2})(?:\s[А-ЯЁ][а-яё]+)?\s\Z"
)
_ORDINAL = re.compile(r"(?<!\w)\d{1,2}-[а-я]{1,2}\s\Z")

_TOWN = r"[А-ЯЁ][а-яё]+(?:[- ](?:на|[А-ЯЁ])[а-яё-]*(?:\s?[А-ЯЁ][а-яё]+)?)?"
_VILLAGE_WORD = r"[Сс](?:\.|ел[оае])|[Дд](?:\.|ер\.|еревн[яие])|[Пп](?:\.|гт\.?|ос(?:\.|[её]л[а-я]{1,3}))"
_CITIES = (
    r"Москв|Санкт-Петербург|Петербург|СПб|Питер|Новосибирск|Екатеринбург|Казан|Нижн[а-я]{2,3}\sНовгород|Самар"
    "|Омск|Ростов|Уф|Красноярск|Воронеж|Перм|Волгоград|Краснодар|Саратов|Тюмен|Тольятти|Ижевск|Барнаул|Ульяновск|Иркутск"
    "|Хабаровск|Ярославл|Владивосток|Махачкал|Томск|Оренбург|Кемеров|Новокузнецк|Рязан|Астрахан|Пенз|Липецк|Тул"
    "|Киров|Калининград|Минск|Алмат|Астан|Киев|Харьков|Одесс|Твер|Сочи|Ставропол|Белгород|Курск|Сургут|Мурманск"
    "|Архангельск|Якутск|Смоленск|Чит|Вологд|Калуг|Химк|Челябинск"
)
_REGION_WORD = r"(?:обл(?:\.|аст[а-я]{1,2})|кра[йяе]|р-н[а-я]?|район[а-я]?|респ(?:\.|ублика))"
_BEFORE = re.compile(
    rf"""(?<![\w-])(?:
        \d{{6}} | Росси[яи] | РФ | Российская\ Федерация | Беларусь | Казахстан
      | (?:[Гг](?:\.|ор\.|ород[а-я]{{0,2}})|{_VILLAGE_WORD}|рп\.?|[Хх]\.|[Сс]т-ца|[Аа]ул)\s?{_TOWN}
      | [А-ЯЁ][а-яё-]+(?:ск|цк|н)(?:ая|ой|ий|ого|ом)\s{_REGION_WORD}
      | (?:респ(?:\.|ублика)|Республика)\s[А-ЯЁ][а-яё-]+
      | (?:{_CITIES})[а-я]{{0,2}}
    )[,;]?\s{{0,2}}\Z""",
    re.VERBOSE,
)
_LONGEST, _LONGEST_ROOM = 100, 20  # characters before a digit and after it
_LONGEST_PART = 48  # characters: a region or a town with its word
_PARTS = 6

# Without the word for a street only after words that promise an address.
_PROMISED = re.compile(
    r"(?<!\w)(?:[Аа]дрес[а-я]{0,2}|[Пп]рожива[а-я]{1,4}|[Жж]ив(?:у|[её]м|[её]т)|[Пп]рописан[а-я]?|[Пп]рописка"
    r"|[Зз]арегистрирован[а-я]?)"
    r"(?:\s(?:по|на|в|адресу|проживания|регистрации|прописки|доставки|мой)){0,3}\s?[:—-]?\s{0,2}"
)
_AT_PROMISED = re.compile(
    rf"(?:(?:\d{{6}},?\s)?(?:г\.\s?)?{_TOWN},?\s)?(?:на\s)?[А-ЯЁ][а-яё]+(?:\s[А-ЯЁ]?[а-яё]+)?{_HOUSE}{_REST}"
)
_HAMLET = re.compile(rf"(?<![\w-])(?:{_VILLAGE_WORD})\s?{_TOWN},\s?(?=д)")
_DORMITORY = re.compile(
    r"(?<!\w)(?:[Оо]бщежити[еяию]|[Оо]бщаг[аеиу]|[Оо]бщ\.)\s?№?\s?\d{1,3}[а-я]?,?\s"
    r"(?:ком(?:\.|н\.|нат[аеы])|к\.|бл(?:ок|\.))\s?№?\s?\d{1,4}[а-я]?(?!\w)"
)


class RussianAddress(TextRecognizer):
    def __init__(self) -> None:
        super().__init__(["ADDRESS"], supported_language=LANGUAGE, name="RussianAddress")

    def read(self, text: str) -> list[RecognizerResult]:
        return [
            found(self, "ADDRESS", first, last, score)
            for start, end in near_digits(text, _LONGEST, _LONGEST_ROOM)
            for first, last, score in _in_stretch(text, start, end)
        ]


def _in_stretch(text: str, start: int, end: int) -> Iterator[tuple[int, int, float]]:
    """Addresses whose telling word stands in `text[start:end]`."""
    for street in _STREET.finditer(text, start, end):
        if span := _street_and_house(text, street):
            yield _leftmost(text, span[0]), span[1], SURE
    for hamlet in _HAMLET.finditer(text, start, end):
        if house := _HOUSE_ONLY.match(text, hamlet.end()):
            yield _leftmost(text, hamlet.start()), house.end(), SURE
    for promise in _PROMISED.finditer(text, start, end):
        if place := _AT_PROMISED.match(text, promise.end()):
            yield *place.span(), LIKELY
    for room in _DORMITORY.finditer(text, start, end):
        yield *room.span(), SURE


def _street_and_house(text: str, street: re.Match[str]) -> tuple[int, int] | None:
    """«ул. Ленина, д. 5», «8-я линия В. О., 3», «Невский проспект, 28»."""
    start, end = street.span()
    if rest := _AFTER_STREET.match(text, end):
        ordinal = _ORDINAL.search(text, max(0, start - 6), start)
        return ordinal.start() if ordinal else start, rest.end()
    name = _NAME_BEFORE.search(text, max(0, start - _LONGEST_PART), start)
    rest = _HOUSE_ONLY.match(text, end) if name else None
    return (name.start(), rest.end()) if name and rest else None


def _leftmost(text: str, start: int) -> int:
    """Where the address begins whose street begins at `start`: index, region and town may stand before."""
    for _ in range(_PARTS):
        part = _BEFORE.search(text, max(0, start - _LONGEST_PART), start)
        if part is None:
            break
        start = part.start()
    return start


def recognizers() -> list[EntityRecognizer]:
    return [RussianAddress(), LatinAddress()]
