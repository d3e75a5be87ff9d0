"""Names in file names in Latin letters: `Ivanov_Ivan_hw2.py`, `lab3-petrova.ipynb`. Cyrillic ones are read by
RussianNames."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from presidio_analyzer import RecognizerResult

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.patterns import LANGUAGE, LIKELY
from gateway.adapters.presidio.reading import TextRecognizer

_FILE = re.compile(
    r"(?<![\w.-])[\w-]{4,120}+\.(?:py|ipynb|docx?|pdf|zip|rar|7z|java|cpp|cs|c|h|js|ts|txt|md|csv|xlsx?|pptx?|tex"
    r"|r|sql|html?|png|jpe?g|odt|rtf|go|rs|kt|swift)(?!\w)",
    re.IGNORECASE,
)
# `IvanovIvan`, `PetrovaAS`: a capital begins a new piece.
_PIECE = re.compile(r"[A-Z]?[a-z]++|[A-Z]++")
_SURNAME = re.compile(
    r"[a-z]{2,}(?:ov|ova|ev|eva|yov|yova|[lnrtkdsz]in|ina|yn|yna|sk(?:y|iy|ii|ij|aya|aia)|enko|chuk|[iya]uk|shvili|dze|yan)"
)
_WORK = re.compile(
    r"(?i)(?<![a-z])(?:hw|lab|dz|homework|home|task|essay|report|project|lr|kr|course|solution|assignment|diploma|cv)"
    r"(?=\d|[_-]|\.)"
)
_WORDS = frozenset(
    (
        "admin",
        "begin",
        "login",
        "plugin",
        "main",
        "machina",
        "retina",
        "marina",
        "mandarin",
        "origin",
        "margin",
    )
)
_CYRILLIC_ORDER = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
_IN_LATIN = "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh sch  y  e yu ya e"
_LATIN = str.maketrans(dict(zip(_CYRILLIC_ORDER, _IN_LATIN.split(" "), strict=True)))


class FileNames(TextRecognizer):
    """A given name beside another word of letters; alone a surname by its ending, in homework."""

    def __init__(self) -> None:
        self._given = lexicon().given_en | lexicon().ambiguous_en | _transcribed()
        super().__init__(["PERSON"], supported_language=LANGUAGE, name="FileNames")

    def read(self, text: str) -> list[RecognizerResult]:
        return [
            found(self, "PERSON", start, end, LIKELY)
            for file in _FILE.finditer(text)
            for start, end in self._people(text, file.start(), file.end())
        ]

    def _people(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        pieces = [*_PIECE.finditer(text, start, text.rindex(".", start, end))]
        for one, other in pairwise(pieces):
            if other.start() - one.end() < 2 and self._are_a_name(one[0], other[0]):
                yield one.start(), other.end()
                return
        if _WORK.search(text, start, end):
            for piece in pieces:
                if _SURNAME.fullmatch(piece[0].lower()) and piece[0].lower() not in _WORDS:
                    yield piece.span()

    def _are_a_name(self, one: str, other: str) -> bool:
        for given, surname in ((one.lower(), other.lower()), (other.lower(), one.lower())):
            if given in self._given and surname not in lexicon().not_names_en:
                if _SURNAME.fullmatch(surname) and surname not in _WORDS:
                    return True
                if one[0].isupper() and other[0].isupper() and len(surname) > 3 and given not in _WORDS:
                    return given not in lexicon().ambiguous_en
        return False


@cache
def _transcribed() -> frozenset[str]:
    """Russian given names in Latin letters, in the usual spellings."""
    names = set()
    for name in lexicon().common_ru:
        latin = name.translate(_LATIN)
        names |= {latin, latin.replace("iy", "y"), latin.replace("iy", "ii"), latin.replace("kh", "h")}
        names |= {latin.replace("ks", "x"), latin.replace("iya", "ia"), latin.replace("yu", "iu")}
        names.add(re.sub("^e", "ye", latin))
    return frozenset(name for name in names if len(name) > 2)
