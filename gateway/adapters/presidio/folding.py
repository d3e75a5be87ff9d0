"""Texts as the recognisers read them: escapes decoded, look-alike characters folded, invisible ones gone, and
the way back to the original's offsets.

What hides a name or a number from a pattern and not from a reader: `\\u0418`, `%40`, `&#64;`, full-width and
mathematical letters, digits of other scripts, zero-width characters, combining accents, a Latin letter in a
Cyrillic word. Base64 and its like are not decoded, and an escape inside an escape is decoded twice at most.
"""

import re
import string
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape
from operator import itemgetter

Unit = tuple[int, int, int, int]  # start, end in the folded text; start, end in the text before
Change = tuple[int, int, str]  # start, end, what is read there

_ROUNDS = 2
_FEW = (
    8  # distinct characters: up to so many, `replace` for each beats one `translate` (2 against 50 us per KB)
)

# Everything outside ASCII and Russian is looked at; marks are what is written over, under or into a letter.
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
_MARK = re.compile(f"[{_MARKS}]")
_EMPHASIS = re.compile(r"(?<![^\W_])_++(?=[^\W_])|(?<=[^\W_])_++(?![^\W_])")
_ODD = re.compile("[^\\x00-\\x7fА-яЁё]")
_ODD_OR_MARKED = re.compile(f"(?s:.)[{_MARKS}]++|[^\\x00-\\x7fА-яЁё]")
_MARKS_READ = 4  # after one letter: composing takes the square of their number, and no letter has more

_ESCAPABLE = re.compile(r"[%&\\]")
# Every branch begins with a plain character: `re` then skips to the next one of them.
_ESCAPE = re.compile(
    r"""
      %[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*+
    | \\(?<!\\\\)\\*+(?:u(?P<pair>[dD][89abAB][0-9A-Fa-f]{2}\\++u[dD][c-fC-F][0-9A-Fa-f]{2})
        | u(?P<u>[0-9A-Fa-f]{4}) | u\{(?P<braced>[0-9A-Fa-f]{1,6})\} | U(?P<U>[0-9A-Fa-f]{8})
        | x(?P<x>[0-9A-Fa-f]{2}) | (?P<blank>[bfnrt]) | (?P<slash>/))
    | &(?:\#[0-9]{1,7};? | \#[xX][0-9A-Fa-f]{1,6};? | [A-Za-z][A-Za-z0-9]{1,30};)
    """,
    re.VERBOSE,
)

_UNREADABLE = "\ufffd"
_KEPT = "№…"  # NFKC would write "No" and "..."
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"  # invisible, though Unicode calls them letters
_LOOK_ALIKE = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63", "-"),
    **dict.fromkeys("\u2018\u2019\u02bc\u2032", "'"),
    **dict.fromkeys("\u1680\u2028\u2029", " "),
    # Letters in squares and flags, which NFKC leaves alone.
    **{chr(first + i): string.ascii_uppercase[i] for first in (0x1F150, 0x1F170, 0x1F1E6) for i in range(26)},
}

# Pairs that look the same in most fonts: Cyrillic, then Latin; below what looks Latin and is Greek or rarer.
_CYRILLIC, _LATIN = "АВЕКМНОРСТУХЁІЈЅаеёкорсухіјѕԁһԛԝ", "ABEKMHOPCTYXËIJSaeëkopcyxijsdhqw"
_GREEK, _GREEK_TWINS = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχϲɑɡ", "ABEZHIKMNOPTYXaeikvoptuxcag"
_TO_LATIN = str.maketrans(_CYRILLIC + _GREEK, _LATIN + _GREEK_TWINS)
_TO_CYRILLIC = str.maketrans(_LATIN, _CYRILLIC) | {
    ord(greek): cyrillic
    for greek, latin in zip(_GREEK, _GREEK_TWINS, strict=True)
    if (cyrillic := dict(zip(_LATIN, _CYRILLIC, strict=True)).get(latin))
}
_ALL_LATIN = re.compile("[A-Za-zÀ-ɏ]+")
_ALL_CYRILLIC = re.compile("[Ѐ-ԯ]+")
_MIXED = (
    re.compile("[A-Za-z][\u0400-\u052f]"),
    re.compile("[\u0400-\u052f][A-Za-z]"),
    re.compile("[Ͱ-Ͽɑɡ](?:(?=[A-Za-z\u0400-\u052f])|(?<=[A-Za-z\u0400-\u052f].))"),
)
_WORD = re.compile(r"[^\W\d_]++")


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` to search in, and the way back to the original's offsets."""

    text: str = field(repr=False)
    steps: tuple[tuple[Unit, ...], ...] = ()  # what changed its place, the last step first

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The original's offsets of `text[start:end]` (not empty): whole escapes, and what is invisible
        inside."""
        for units in self.steps:
            start, end = _before(units, start)[0], _before(units, end - 1)[1]
        return start, end


def fold(text: str) -> Folded:
    """Linear in the text; a plain one comes back as it is (0.01 ms per KB in ASCII, 0.03 in Cyrillic)."""
    steps: list[tuple[Unit, ...]] = []
    for decoded in range(_ROUNDS + 1):
        if not text.isascii():
            text, units = _without_look_alikes(text)
            steps.append(units)
        if decoded == _ROUNDS or not _ESCAPABLE.search(text):
            break
        text, units = _rewritten(text, _unescaped(text))
        if not units:
            break
        steps.append(units)
    if not text.isascii():
        text = _in_one_script(text)
    if "_" in text:  # emphasis: «_8-903-123-45-67_»
        text = _EMPHASIS.sub(lambda marks: " " * len(marks[0]), text)
    return Folded(text, tuple(filter(None, reversed(steps))))


def _before(units: tuple[Unit, ...], position: int) -> tuple[int, int]:
    """Where the character at `position` stood before a step; of a rewritten one, all it was read from."""
    index = bisect_right(units, position, key=itemgetter(0)) - 1
    if index < 0:
        return position, position + 1
    _, end, old_start, old_end = units[index]
    if position < end:
        return old_start, old_end
    position += old_end - end
    return position, position + 1


def _rewritten(text: str, changes: Iterator[Change]) -> tuple[str, tuple[Unit, ...]]:
    pieces: list[str] = []
    units: list[Unit] = []
    cursor = length = 0
    for start, end, read in changes:
        pieces += text[cursor:start], read
        length += start - cursor
        units.append((length, length + len(read), start, end))
        length += len(read)
        cursor = end
    if not units:
        return text, ()
    pieces.append(text[cursor:])
    return "".join(pieces), tuple(units)


def _without_look_alikes(text: str) -> tuple[str, tuple[Unit, ...]]:
    odd = set(_ODD.findall(text))
    changed = {character: plain for character in odd if (plain := _plain(character)) != character}
    marked = any(map(_MARK.match, odd))
    if marked or any(len(plain) != 1 for plain in changed.values()):
        return _rewritten(text, _plainer(text, changed))
    if len(changed) > _FEW:
        return text.translate({ord(character): plain for character, plain in changed.items()}), ()
    for character, plain in changed.items():
        text = text.replace(character, plain)
    return text, ()


def _plainer(text: str, changed: dict[str, str]) -> Iterator[Change]:
    for match in _ODD_OR_MARKED.finditer(text):
        written = match[0]
        read = changed.get(written, written) if len(written) == 1 else _composed(written)
        if read != written:
            yield match.start(), match.end(), read


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """What one character is read as; empty for what nobody sees."""
    if character in _KEPT:
        return character
    if unicodedata.category(character) == "Cf" or character in _FILLERS:
        return ""
    if character in _LOOK_ALIKE:
        return _LOOK_ALIKE[character]
    digit = unicodedata.digit(character, None)
    return unicodedata.normalize("NFKC", character) if digit is None else str(digit)


def _composed(letter_and_marks: str) -> str:
    """One letter where Unicode has one («и» and a breve), else the letter without its marks."""
    letter, marks = _plain(letter_and_marks[0]), letter_and_marks[1 : 1 + _MARKS_READ]
    return _MARK.sub("", unicodedata.normalize("NFKC", letter + marks))


def _unescaped(text: str) -> Iterator[Change]:
    for match in _ESCAPE.finditer(text):
        start, end = match.span()
        written = match[0]
        if written[0] == "%":
            yield from _percent_decoded(written, start)
        elif written[0] == "&":
            if (read := unescape(written)) != written:
                yield start, end, read
        elif match["blank"]:
            yield start, end, "\n"
        elif match["slash"]:  # PHP writes "https:\/\/" into its JSON
            yield start, end, "/"
        elif match["pair"]:
            high, low = match["pair"][:4], match["pair"][-4:]
            yield start, end, bytes.fromhex(high + low).decode("utf-16-be")
        else:
            code = int(match["u"] or match["braced"] or match["U"] or match["x"], 16)
            # Also what stands for nothing is read as one sign: a word after it begins there, and no finding
            # may begin inside an escape.
            readable = code <= 0x10FFFF and _is_readable(chr(code))
            yield start, end, chr(code) if readable else _UNREADABLE


def _percent_decoded(run: str, start: int) -> Iterator[Change]:
    """UTF-8 behind percent signs, one change for each character; what is no UTF-8 stays."""
    for character in bytes.fromhex(run.replace("%", "")).decode("utf-8", "surrogateescape"):
        end = start + 3 * len(character.encode("utf-8", "surrogateescape"))
        if _is_readable(character):
            yield start, end, character
        start = end


def _is_readable(character: str) -> bool:
    """Blanks and invisible characters too, which `isprintable` refuses: the next round folds them away."""
    return character.isprintable() or character.isspace() or unicodedata.category(character) == "Cf"


def _in_one_script(text: str) -> str:
    """Each word that mixes look-alike letters of two scripts, in the one it can be written in."""
    if not any(mixed.search(text) for mixed in _MIXED):
        return text
    return _WORD.sub(lambda word: _respelt(word[0]), text)


def _respelt(word: str) -> str:
    if word.isascii() or _ALL_CYRILLIC.fullmatch(word) or _ALL_LATIN.fullmatch(word):
        return word
    latin, cyrillic = word.translate(_TO_LATIN), word.translate(_TO_CYRILLIC)
    kept_latin = _ALL_LATIN.fullmatch(latin) and sum(map(str.__eq__, word, latin))
    kept_cyrillic = _ALL_CYRILLIC.fullmatch(cyrillic) and sum(map(str.__eq__, word, cyrillic))
    if kept_latin is None and kept_cyrillic is None:
        return word  # «SQLка»: no disguise
    return latin if (kept_latin or 0) > (kept_cyrillic or 0) else cyrillic
