"""Personal data that nobody has, and the search for a piece of it in any writing.

A canary is searched for by its pieces: a surname's stem finds all its cases, digits are compared without what
separates them. What is searched is read in every way in which a log, a store, an address or a dump could have
written it.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_WORD = re.compile("kanareika[0-9]+x")
_SEPARATED = re.compile(r"(?<=\d)[ \-().]{1,2}(?=\d)")
_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")  # JSON within JSON escapes the backslash too
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(rb"(?i)[0-9a-f]{12,}")


@dataclass(frozen=True, slots=True)
class Canary:
    """`pieces`: what must not be found, in lower case; of numbers their digits alone."""

    label: str
    pieces: tuple[str, ...]


def word(number: int) -> str:
    """A piece of its own for each of many places."""
    return f"kanareika{number}x"


def found_in(haystack: bytes, canaries: Iterable[Canary]) -> list[str]:
    """Labels of the canaries that are there in any writing."""
    sought = list(canaries)
    found: set[Canary] = set()
    for reading in _readings(haystack):
        text = reading.casefold()
        known = {*_WORD.findall(text)}
        text += _SEPARATED.sub("", text)
        found |= {one for one in sought if any(_stands(piece, known, text) for piece in one.pieces)}
    return [one.label for one in sought if one in found]


def _stands(piece: str, known: set[str], text: str) -> bool:
    return piece in known if _WORD.fullmatch(piece) else piece in text


def _readings(raw: bytes) -> Iterator[str]:
    text = raw.decode("utf-8", "replace")
    yield text
    yield _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    yield raw.decode("cp1251", "replace")
    for skipped in (0, 1):
        yield raw[skipped:].decode("utf-16-le", "replace")
        yield raw[skipped:].decode("utf-16-be", "replace")
    if b"%" in raw:
        yield unquote_to_bytes(raw).decode("utf-8", "replace")
    for skipped in range(4):  # whatever stands before it in what looks like base64
        runs = (run[0][skipped:].translate(bytes.maketrans(b"-_", b"+/")) for run in _BASE64.finditer(raw))
        yield b"\n".join(base64.b64decode(run[: len(run) // 4 * 4]) for run in runs).decode(
            "utf-8", "replace"
        )
    for skipped in range(2):
        runs = (run[0][skipped:] for run in _HEX.finditer(raw))
        yield b"\n".join(binascii.unhexlify(run[: len(run) // 2 * 2]) for run in runs).decode(
            "utf-8", "replace"
        )


@dataclass(frozen=True, slots=True)
class Said(Canary):
    """A sentence of prose, its own label."""

    kind: str


def _said(kind: str, sentence: str, *pieces: str) -> Said:
    return Said(sentence, pieces, kind)


# Every kind that is looked for. Reserved addresses and numbers of nobody throughout.
PROSE = (
    _said("PERSON", "Меня зовут Аделаида Никаноровна Вержбицкая.", "аделаид", "никаноровн", "вержбицк"),
    _said("PERSON", "Работу Аделаиды Вержбицкой проверил Трофим Залесский, её друг.", "трофим", "залесск"),
    _said("PERSON", "Подпись: А. Н. Вержбицкая, принял Залесский Т. П."),
    _said("PERSON", "My name is Rosalind Ashworth.", "rosalind", "ashworth"),
    _said(
        "PERSON",
        "Dear Mr. Ashworth, R. Ashworth wrote this with Gregory Thistlewood.",
        "gregory",
        "thistlewood",
    ),
    _said("PHONE", "Мой телефон +7 (912) 480-37-15.", "9124803715"),
    _said("PHONE", "Or call me at +44 20 7946 0817.", "2079460817"),
    _said("EMAIL", "Почта: a.verzhbitskaya@example.org.", "verzhbitskaya"),
    _said("CARD", "Карта 5500 0055 5555 5559.", "5500005555555559"),
    _said("IBAN", "IBAN GB29 NWBK 6016 1331 9268 19.", "nwbk", "60161331926819"),
    _said(
        "IP", "The server was 203.0.113.77 and 2001:db8:85a3::8a2e:370:7334.", "203.0.113.77", "8a2e:370:7334"
    ),
    _said("URL", "Log in at https://student:hunter2kestrel@portal.example.org/x.", "hunter2kestrel"),
    _said("PASSPORT", "Паспорт 45 08 617243, выдан давно.", "4508617243", "617243"),
    _said("INN", "ИНН 500100732259.", "500100732259"),
    _said("SNILS", "СНИЛС 112-233-445 95.", "11223344595", "112-233-445"),
    _said("OMS", "Полис ОМС 7851 4308 9265 1278.", "7851430892651278"),
    _said("US_SSN", "My SSN is 536-90-4399.", "536904399"),
    _said("STUDENT_ID", "Мой студенческий билет № 20190417.", "20190417"),
    _said("STUDENT_ID", "Зачётка ST-204817.", "st-204817"),
    _said("ADDRESS", "Адрес: г. Тверь, ул. Малая Лесниковская, д. 17, кв. 93.", "лесниковск"),
    _said("ADDRESS", "I live at 4271 Thornberry Hollow Lane, Apt 9.", "thornberry"),
    _said("DATE_OF_BIRTH", "Дата рождения: 17.03.2001.", "17032001", "17.03.2001"),
    _said("USERNAME", "Мой телеграм @zharptica_kestrel.", "zharptica"),
    _said("CUSTOM", "Наш проект Синеклювка.", "синеклювк"),
)
MASKING_FILE = 'deny = ["Синеклювка"]\nstudent_id = ["ST-[0-9]{6}"]\n'
