"""Postal addresses in Latin letters: sure shapes only, a trained tagger finds the others."""

import re
from collections.abc import Sequence

from presidio_analyzer import RecognizerResult

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.reading import TextRecognizer
from gateway.adapters.presidio.writing import LANGUAGE, LIKELY, SURE

_CAPITAL = r"[A-ZÀ-Þ][\w'.-]{0,30}+"
# A number before them counts them: "100 Years Way", "10 Best Way to learn".
_COUNTED = (
    r"(?:Years?|Days?|Hours?|Minutes?|Weeks?|Months?|Times?|Steps?|Stages?|Ways?|Rules?|Reasons?|Tips|Best|Main|Easy"
    r"|Simple|Great|Different|New)"
)
_TYPES = (
    r"(?:St(?:reet)?|Ave(?:nue)?|R(?:oa)?d|Blvd|Boulevard|Lane|Ln|Dr(?:ive)?|C(?:our)?t|Pl(?:ace)?|Sq(?:uare)?|Way"
    r"|Ter(?:race)?|Parkway|Pkwy|Highway|Hwy|Cir(?:cle)?|Crescent|Cres|Close|Row|Mews|Grove|Gardens|Trail|Alley"
    r"|Embankment|Quay)"
)
_UNIT = (
    r"(?:,?\s{1,4}(?:Apt|APT|Apartment|Suite|SUITE|Ste|Unit|Flat|Floor|Room|Rm|Bldg)\.?\s?#?[A-Z]?\d{1,5}[A-Z]?\b"
    r"|,?\s?#\s?\d{1,5}\b)?"
)
_STATE = (
    "(?:A[LKZRAEP]|C[AOT]|D[EC]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT"
    "|V[TA]|W[AVIY])"
)
_PLACE = (
    rf"(?:,?\s{{1,4}}{_CAPITAL}(?:\s{_CAPITAL}){{0,3}},?\s{{1,4}}[A-Z]{{2}},?\s{{1,4}}\d{{5}}(?:-\d{{4}})?\b"
    rf"|(?:,\s{{0,3}}{_CAPITAL}(?:\s{_CAPITAL}){{0,2}})?,?\s[A-Z]{{1,2}}\d[A-Z\d]?\s\d[A-Z]{{2}}\b"
    rf"|,\s{_CAPITAL}(?:\s{_CAPITAL}){{0,2}},\s{_STATE}\b)?"
)
_STREETS = (
    "Rue",
    "Via",
    "Viale",
    "Piazza",
    "Plaza",
    "Calle",
    "Avenida",
    "Rua",
    "Corso",
    "Chemin",
    "ul.",
    "al.",
)
_ENDINGS = (
    "strasse", "straße", "str.", "gasse", "platz", "allee", "laan", "straat", "gade", "gatan", "vägen",
    "vej", "katu", "utca",
)  # fmt: skip
# Each shape, and words of which one must stand in the text for it to be looked for.
_SHAPES: tuple[tuple[Sequence[str], re.Pattern[str]], ...] = (
    (  # 221B Baker Street; 12 High Rd, Apt. 4, Springfield, IL 62704; not "in 1950 Sunset Boulevard"
        [" "],
        re.compile(
            r"\d(?<![\w.,/-]\d)(?:(?<!\b[Ii]n\s\d)(?<!\bof\s\d)|(?!9\d\d\s|0\d\d\s))\d{0,4}[A-Za-z]?(?:[-/]\d{1,4})?"
            rf",?\s(?!{_COUNTED}\s)(?:[NSEW]\.?\s)?(?:(?:{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th)|of|the)\s){{1,4}}"
            rf"{_TYPES}\b\.?{_UNIT}{_PLACE}"
        ),
    ),
    (  # 462 Stubengraben 80 Apt. 608
        ["Apt", "Suite"],
        re.compile(
            rf"(?<![\w.,/-])(?:\d{{1,5}}\s)?(?:{_CAPITAL}\s){{1,4}}\d{{1,5}}[a-z]?,?\s{{1,8}}"
            rf"(?:Apt|Suite)\.?\s\d{{1,5}}\b{_PLACE}"
        ),
    ),
    (  # Rue de Rivoli 130, Via Franscini 71
        [f"{word} " for word in _STREETS],
        re.compile(
            rf"(?<!\w)(?:{'|'.join(map(re.escape, _STREETS))})\s(?:d[aeiou]s?\s|de\sla\s|du\s)?"
            rf"(?:{_CAPITAL}\s){{1,3}}\d{{1,4}}[a-z]?\b(?:,?\s\d{{4,5}}\s{_CAPITAL})?"
        ),
    ),
    (  # Pohlstrasse 9, Brixtonlaan 380
        [f"{ending} " for ending in _ENDINGS],
        re.compile(
            rf"(?<!\w)[A-ZÀ-Þ][a-zß-ÿ-]{{1,24}}(?:{'|'.join(map(re.escape, _ENDINGS))})"
            rf"\s\d{{1,4}}[a-z]?\b(?:,?\s\d{{4,5}}\s{_CAPITAL})?"
        ),
    ),
    (  # P.O. Box 12; Unit 5146 Box 1772, DPO AE 91410
        ["Box", "box"],
        re.compile(
            rf"(?<!\w)(?:[Pp]\.?\s?[Oo]\.?\s?[Bb]ox\s#?\d{{1,6}}\b{_PLACE}"
            r"|(?:[Uu]nit|PSC|psc)\s\d{1,5},?\s[Bb]ox\s\d{1,5}(?:,?\s{1,4}(?i:[adf]po\sa[aep]\s\d{5}))?)"
        ),
    ),
)
# Without a known type only after words that promise an address.
_PROMISE = (
    r"(?:ddress(?:\s(?:is|was|of\s\w{2,20}\sis))?|(?:ive|ives|ived|iving|ocated|ffice\sis)\s(?:at|on)"
    r"|(?:ove|oved|eturn|eliver|hip|ail)\sto)"
)
_PROMISED = re.compile(
    rf"{_PROMISE}\s?:?\s{{1,8}}"
    rf"(?P<place>(?![A-Z]{{2,5}}\s\d)(?:\d{{1,5}},?\s)?(?:{_CAPITAL}\s){{1,4}}\d{{1,5}}[a-z]?\b{_UNIT}{_PLACE})"
)


class LatinAddress(TextRecognizer):
    def __init__(self) -> None:
        super().__init__(["ADDRESS"], supported_language=LANGUAGE, name="LatinAddress")

    def read(self, text: str) -> list[RecognizerResult]:
        results = []
        for words, shape in _SHAPES:
            if any(word in text for word in words):
                for match in shape.finditer(text):
                    end = match.end() - match[0].endswith(".")
                    results.append(found(self, "ADDRESS", match.start(), end, SURE))
        results += [
            found(self, "ADDRESS", *promise.span("place"), LIKELY) for promise in _PROMISED.finditer(text)
        ]
        return results
