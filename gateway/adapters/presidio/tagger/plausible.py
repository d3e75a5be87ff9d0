"""What the tagger says, held against the spelling: formulas, hashes, abbreviations, identifiers are nobody's.

So are words that nobody is called (nobody_en.txt). Only what cannot cost a name is refused: a span falls only
if all its words do, and "McDonald", "DeShawn" and "vanDyke" are no identifiers.
"""

import re
from functools import cache

from gateway.adapters.presidio.lexicon import read_list

_TWO_LETTERS = re.compile("[A-Za-z\u00c0-\u024f]{2}")
_ABBREVIATION = re.compile("[A-Z]{2,5}")
_CONSONANTS = re.compile("[BCDFGHJKLMNPQRSTVWXZ]{3,}")  # "HTML"; of two letters "NG" is a surname
SURE = 0.97  # an abbreviation scores less, a shouted TIM more

_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile("(?<![^\\W_])[A-Za-z\u00c0-\u024f]{3,}(?![^\\W_])")
_STREET = re.compile(
    r"(?i)\b(?:street|st|road|rd|ave(?:nue)?|lane|drive|dr|court|square|boulevard|blvd|way|close|box|apt|suite|unit"
    r"|rue|via|calle|rua|ulica|ul|jalan)\b|(?:stra(?:\u00df|ss)e|weg|gasse|platz|straat|laan|gatan|v\u00e4gen|katu)\b"
)
_POSTCODE_BEFORE = re.compile(r"(?i)(?:zip|post|postal)(?: ?code)?\W{0,3}(?:is\W{1,2}|number\W{1,2})?$")
# A number of a source, a version or a figure is no house's.
_NUMBERED = re.compile(
    r"(?i)(?<!\w)(?:doi|isbn|issn|arxiv|pmid|rfc|iso|ieee|fig(?:ure)?|table|chapter|section|equation|eq|theorem|lemma"
    r"|vol(?:ume)?|pp|pages?|version|chrome|firefox|safari|opera|edge|windows|android|ios|macos|ubuntu|python|java"
    r"|node|django|gcc|php|kotlin|swift|mysql|postgresql|postgres|redis|docker)(?!\w)[ :.]{0,2}(?=\d)"
)
_CODED = re.compile(r"[A-Z]{2,5}[ -]\d+")  # "ABCDE 1234"
_MOST_COMMAS = 3  # from there on, without a number or a word for a street, it is a list of places

_IDENTIFIER = re.compile(
    r"(?:is|has|get|set|new|next|make|add|remove|to|on|param|num|max|min|all|can|should|create|update|delete|find"
    r"|handle|parse|read|write|print|init|load|save|check|count)[A-Z]\w*"
)
_HUMPS = re.compile("(?:[A-Z][a-z]+){2,}")
_HUMP = re.compile("[A-Z][a-z]+")
# Spared only in a list with a town that nobody is called.
_TOWNS_TOO = frozenset(("london", "paris", "berlin", "rome", "vienna", "milan"))
_NEIGHBOUR_BEFORE, _NEIGHBOUR_AFTER = (
    re.compile(r"([^\W\d_]+)[^.!?\w]+(?:\d+[^.!?\w]+)*$"),
    re.compile(r"[^.!?\w]+(?:\d+[^.!?\w]+)*([^\W\d_]+)"),
)
_AROUND = 40


def is_plausible(kind: str, text: str, start: int, end: int, score: float) -> bool:
    """Whether `text[start:end]` may be of `kind`; only persons and addresses are doubted."""
    words = text[start:end]
    if kind == "PERSON":
        if not _TWO_LETTERS.search(words) or _CONSONANTS.fullmatch(words):
            return False
        if _are_words(words) or _is_a_town(text, start, end):
            return False
        return score >= SURE or not _ABBREVIATION.fullmatch(words)
    if kind == "ADDRESS":
        return _is_an_address(words) or bool(_POSTCODE_BEFORE.search(text[max(0, start - 24) : start]))
    return any(map(str.isalnum, words))


def _are_words(words: str) -> bool:
    """Nothing but identifiers and words that nobody is called; a lone letter is as its neighbours are."""
    never, _ = _nobody()
    parts = [part for part in _LETTERS.findall(words) if len(part) > 1]
    return bool(parts) and all(
        part.lower() in never
        or _IDENTIFIER.fullmatch(part)
        or (_HUMPS.fullmatch(part) and any(hump.lower() in never for hump in _HUMP.findall(part)))
        for part in parts
    )


def _is_a_town(text: str, start: int, end: int) -> bool:
    _, towns = _nobody()
    word = text[start:end].lower()
    if word in towns:
        return True
    if word not in _TOWNS_TOO:
        return False
    before = _NEIGHBOUR_BEFORE.search(text[max(0, start - _AROUND) : start])
    after = _NEIGHBOUR_AFTER.match(text[end : end + _AROUND])
    return any(found is not None and found[1].lower() in towns for found in (before, after))


def _is_an_address(words: str) -> bool:
    """A house number and a name, or a word for a street; in lower case two words and more."""
    if _STREET.search(words):
        return True
    if _NUMBERED.search(words) or _CODED.fullmatch(words) or _are_words(words):
        return False
    names = _WORD.findall(words)
    if not any(map(str.isdigit, words)):
        return len(names) > 1 and words.count(",") < _MOST_COMMAS
    return len(names) > 1 or (len(names) == 1 and names[0][0].isupper())


@cache
def _nobody() -> tuple[frozenset[str], frozenset[str]]:
    """The words and the towns."""
    words, _, towns = read_list("nobody_en.txt").partition("=")
    return frozenset(words.split()), frozenset(towns.split())
