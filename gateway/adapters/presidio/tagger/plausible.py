"""What the tagger says, held against the spelling: formulas, hashes and abbreviations are nobody's."""

import re

_TWO_LETTERS = re.compile("[A-Za-z\u00c0-\u024f]{2}")
_ABBREVIATION = re.compile("[A-Z]{2,5}")
SURE = 0.97  # an abbreviation scores less, a shouted TIM more

_WORD = re.compile("(?<![^\\W_])[A-Za-z\u00c0-\u024f]{3,}(?![^\\W_])")
_STREET = re.compile(
    r"(?i)\b(?:street|st|road|rd|ave(?:nue)?|lane|drive|dr|court|square|boulevard|blvd|way|close|box|apt|suite|unit"
    r"|rue|via|calle|rua|ulica|ul|jalan)\b|(?:stra(?:\u00df|ss)e|weg|gasse|platz|straat|laan|gatan|v\u00e4gen|katu)\b"
)
_POSTCODE_BEFORE = re.compile(r"(?i)(?:zip|post|postal)(?: ?code)?\W{0,3}(?:is\W{1,2}|number\W{1,2})?$")


def is_plausible(kind: str, text: str, start: int, end: int, score: float) -> bool:
    """Whether `text[start:end]` may be of `kind`; only persons and addresses are doubted."""
    words = text[start:end]
    if kind == "PERSON":
        return bool(_TWO_LETTERS.search(words)) and (score >= SURE or not _ABBREVIATION.fullmatch(words))
    if kind == "ADDRESS":
        return _is_an_address(words) or bool(_POSTCODE_BEFORE.search(text[max(0, start - 24) : start]))
    return any(map(str.isalnum, words))


def _is_an_address(words: str) -> bool:
    """A house number and a name, or a word for a street; in lower case two words and more."""
    if _STREET.search(words):
        return True
    names = _WORD.findall(words)
    if not any(map(str.isdigit, words)):
        return len(names) > 1
    return len(names) > 1 or (len(names) == 1 and names[0][0].isupper())
