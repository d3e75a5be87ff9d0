"""Personal data out, placeholders in. Pure: what is personal was decided before.

A placeholder looks like `<PERSON_1_k3f9x>`: kind, number within the request, the request's nonce. The nonce
keeps a student's own `<PERSON_1>` from being mistaken for one of ours. The way back is unmasking.py.

Over 250 lines: numbering, second mentions and seams are one replacement.
"""

import hashlib
import json
import re
import secrets
import string
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

from gateway.domain import KEPT, Masked, Passage, Span

REPEATED = "Repeated"  # the recogniser of second mentions

_NONCE_ALPHABET = string.ascii_lowercase + string.digits
_NONCE_LENGTH = 5
_WORD = re.compile(r"\w+")
_JSON_NUMBER = re.compile(r"\d[\d.eE+-]*+")
_JSON_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)

# A value outside these lengths (characters) is masked where it was found and not looked for elsewhere: a
# shorter one is too often a common word, a longer one would let one request of odd values cost seconds.
_SHORTEST_REPEATED = 4
_LONGEST_REPEATED = 64


def new_nonce(texts: Sequence[str]) -> str:
    """Five characters of [0-9a-z] that occur in none of the texts."""
    while True:
        nonce = "".join(secrets.choice(_NONCE_ALPHABET) for _ in range(_NONCE_LENGTH))
        if not any(nonce in text for text in texts):
            return nonce


def mask(passages: Sequence[Passage], spans: Sequence[Sequence[Span]], nonce: str) -> Masked:
    """Replaces every span (sorted by start, not overlapping; one sequence per passage) by its placeholder.

    Spans of one kind and identity get the same placeholder in all passages; without an identity, the same
    words do. Every other exact occurrence of a found value is masked too, and so is a part of a full name
    that stands alone, because a recogniser often misses the second mention; in programs only values that no
    identifier can be (they hold a blank, a dot, a dash...), so that programs keep their meaning.
    """
    if not any(spans):
        texts = (piece for passage in passages for piece in _cut(passage.text, passage.seams))
        return Masked(tuple(texts), {}, nonce, tuple(() for _ in passages))
    spans = [
        [*_within_strings(passage.text, found)] if passage.json else found
        for passage, found in zip(passages, spans, strict=True)
    ]
    numbers = _Numbering(nonce)
    for passage, found in zip(passages, spans, strict=True):
        for span in found:
            if span.kind != KEPT:
                numbers.learn(span, _words(passage, span.start, span.end))
    values = _values(passages, spans)
    in_prose, in_programs = _Repeats(values, identifiers=True), _Repeats(values, identifiers=False)
    pieces: list[str] = []
    replaced, words = [], []
    for passage, found in zip(passages, spans, strict=True):
        repeats = in_programs if passage.program else in_prose
        whole = [*_with_repeats(passage, found, repeats)]
        pieces.extend(_replaced(passage, whole, numbers))
        replaced.append(tuple(whole))
        words.append(tuple(_words(passage, span.start, span.end) for span in whole))
    return Masked(tuple(pieces), numbers.originals(), nonce, tuple(replaced), tuple(words))


def settled(masked: Masked) -> Masked:
    """The same, with a nonce that follows from the masked texts, so that equal submissions reach a model as
    equal texts: with a random nonce one answer in sixteen was graded a per cent up or down the second time.
    Of what is behind the placeholders it tells nothing, and it still stands in none of the texts."""
    if not masked.originals:
        return masked
    nameless = "\0".join(masked.texts).replace(f"_{masked.nonce}>", "_>")
    attempt = 0
    while True:
        digest = hashlib.sha256(f"{attempt} {nameless}".encode("utf-8", "surrogatepass")).digest()
        nonce = "".join(_NONCE_ALPHABET[byte % len(_NONCE_ALPHABET)] for byte in digest[:_NONCE_LENGTH])
        if nonce not in nameless:
            break
        attempt += 1
    old, new = f"_{masked.nonce}>", f"_{nonce}>"
    return replace(
        masked,
        texts=tuple(text.replace(old, new) for text in masked.texts),
        originals=originals_under(nonce, masked),
        nonce=nonce,
    )


def originals_under(nonce: str, masked: Masked) -> dict[str, str]:
    """What stands behind the placeholders of the same texts masked with another nonce."""
    return {
        placeholder.replace(f"_{masked.nonce}>", f"_{nonce}>"): value
        for placeholder, value in masked.originals.items()
    }


class _Numbering:
    """Placeholders in order of appearance, counted per kind."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._known: dict[tuple[str, str, str], str] = {}
        self._count: dict[str, int] = {}
        self._shown: dict[str, tuple[str, bool]] = {}  # placeholder -> what is put back, in its base form?

    def learn(self, span: Span, words: str) -> None:
        """A mention. Where forms differ, the first base form is what a reply shows, else the first form."""
        placeholder = self.of(span, words)
        if span.base_form and not self._shown[placeholder][1]:
            self._shown[placeholder] = (words, True)

    def of(self, span: Span, words: str) -> str:
        key = (span.kind, span.identity, "" if span.identity else words)
        placeholder = self._known.get(key)
        if placeholder is None:
            number = self._count.get(span.kind, 0) + 1
            self._count[span.kind] = number
            placeholder = self._known[key] = f"<{span.kind}_{number}_{self._nonce}>"
            self._shown[placeholder] = (words, span.base_form)
        return placeholder

    def originals(self) -> dict[str, str]:
        return {placeholder: words for placeholder, (words, _) in self._shown.items()}


def _values(passages: Sequence[Passage], spans: Sequence[Sequence[Span]]) -> dict[str, Span]:
    """What to look for elsewhere: found values, and parts of full names that are no common words here."""
    values: dict[str, Span] = {}
    parts: dict[str, Span] = {}
    for passage, found in zip(passages, spans, strict=True):
        for span in found:
            if span.kind == KEPT:
                continue
            values.setdefault(passage.text[span.start : span.end], span)
            values.setdefault(_words(passage, span.start, span.end), span)
            for start, end in span.parts:
                parts.setdefault(passage.text[start:end], replace(span, identity="", parts=()))
    if parts:
        said = {word for passage in passages for word in _WORD.findall(passage.text)}
        for part, span in parts.items():
            if part.lower() not in said:  # "Path" is no name where "path" is said too
                values.setdefault(part, span)
    return values


class _Repeats:
    """Finds occurrences of known values at word boundaries: exact ones, and full names whatever their case.

    Values are looked up by their first word and then by their few lengths: thousands of values in a long text
    stay near linear, where one alternation of them all would be tried at every character.
    """

    def __init__(self, values: Mapping[str, Span], *, identifiers: bool) -> None:
        self._values = values
        self._full_names = {
            value.lower(): span for value, span in values.items() if span.kind == "PERSON" and " " in value
        }
        by_word: dict[str, set[tuple[int, int]]] = {}
        for value in values:
            word = _WORD.search(value)
            if word is None or not _SHORTEST_REPEATED <= len(value) <= _LONGEST_REPEATED:
                continue
            if not identifiers and _WORD.fullmatch(value):
                continue
            by_word.setdefault(word[0].lower(), set()).add((word.start(), len(value)))
        # longest first: "Anna Smith" is one person, not "Anna" and a rest
        self._shapes = {word: sorted(shapes, key=lambda s: -s[1]) for word, shapes in by_word.items()}

    def within(self, passage: Passage, start: int, end: int) -> Iterator[Span]:
        """Each occurrence in `passage.text[start:end]`, in order, not overlapping, none across a seam."""
        if not self._shapes:
            return
        inner = (seam for seam in passage.seams if start < seam < end)
        for first, last in pairwise((start, *inner, end)):
            yield from self._between(passage, first, last)

    def _between(self, passage: Passage, start: int, end: int) -> Iterator[Span]:
        text, done = passage.text, start
        for word in _WORD.finditer(text, start, end):
            for lead, length in self._shapes.get(word[0].lower(), ()):
                first = word.start() - lead
                last = first + length
                if first < done or last > end or not _stands_alone(passage, first, last):
                    continue
                said = text[first:last]
                value = self._values.get(said) or self._full_names.get(said.lower())
                if value is not None:
                    yield replace(value, start=first, end=last, recogniser=REPEATED, parts=())
                    done = last
                    break


def _stands_alone(passage: Passage, start: int, end: int) -> bool:
    return _is_edge(passage, start) and _is_edge(passage, end)


def _is_edge(passage: Passage, position: int) -> bool:
    """Whether no word runs across `position`."""
    text = passage.text
    if position in (0, len(text)) or position in passage.seams:
        return True
    return not (_is_word(text[position - 1]) and _is_word(text[position]))


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


def _with_repeats(passage: Passage, found: Sequence[Span], repeats: _Repeats) -> Iterator[Span]:
    cursor = 0
    for span in found:
        yield from repeats.within(passage, cursor, span.start)
        if span.kind != KEPT:
            yield span
        cursor = span.end
    yield from repeats.within(passage, cursor, len(passage.text))


def _replaced(passage: Passage, spans: Sequence[Span], numbers: _Numbering) -> list[str]:
    """The passage's pieces between its seams. A placeholder stands in the piece where its value began."""
    text = passage.text
    pieces: list[list[str]] = [[]]
    seams = iter((*passage.seams, len(text) + 1))
    seam = next(seams)
    cursor = 0

    def keep(until: int) -> None:
        nonlocal cursor, seam
        while seam <= until:
            pieces[-1].append(text[cursor:seam])
            pieces.append([])
            cursor, seam = max(cursor, seam), next(seams)
        pieces[-1].append(text[cursor:until])
        cursor = until

    quoted = [string.span() for string in _JSON_STRING.finditer(text)] if passage.json else []
    for span in spans:
        start = span.start
        placeholder = numbers.of(span, _words(passage, start, span.end))
        if passage.json and not _is_inside(quoted, start):  # a number: a bare word would break the JSON
            placeholder = f'"{placeholder}"'
            start -= text[start - 1 : start] == "-"
        keep(start)
        pieces[-1].append(placeholder)
        cursor = span.end
    keep(len(text))
    return ["".join(parts) for parts in pieces]


def _cut(text: str, seams: Sequence[int]) -> Iterator[str]:
    for start, end in pairwise((0, *seams, len(text))):
        yield text[start:end]


def _words(passage: Passage, start: int, end: int) -> str:
    """What was written there; in JSON, what it stands for."""
    words = passage.text[start:end]
    if passage.json and "\\" in words:
        with suppress(ValueError):  # an escape that is cut in two
            return str(json.loads(f'"{words}"'))
    return words


def _within_strings(document: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Spans of a JSON document that cross the borders of its strings, cut there: what is left are pieces of
    strings and whole numbers."""
    strings = [string.span() for string in _JSON_STRING.finditer(document)]
    for span in spans:
        index = max(0, bisect_right(strings, (span.start, sys.maxsize)) - 1)
        cursor = span.start
        for start, end in strings[index:]:
            if start >= span.end:
                break
            yield from _numbers(document, span, cursor, min(start, span.end))
            first, last = max(cursor, start + 1), min(end - 1, span.end)
            if (first, last) == (span.start, span.end):
                yield span
            elif any(map(str.isalnum, document[first:last])):
                yield replace(span, start=first, end=last, identity="", parts=())
            cursor = max(cursor, end)
        yield from _numbers(document, span, cursor, span.end)


def _numbers(document: str, span: Span, start: int, end: int) -> Iterator[Span]:
    for number in _JSON_NUMBER.finditer(document, start, max(start, end)):
        yield replace(span, start=number.start(), end=number.end(), parts=())


def _is_inside(ranges: Sequence[tuple[int, int]], position: int) -> bool:
    index = bisect_right(ranges, (position, sys.maxsize)) - 1
    return index >= 0 and position < ranges[index][1]
