"""Personal data out, placeholders in, and back again. Pure: what is personal was decided before.

A placeholder looks like `<PERSON_1_k3f9x>`: kind, number within the request, the request's nonce. The nonce
keeps a student's own `<PERSON_1>` from being mistaken for one of ours; un-masking is a single pass, so what
was put back is never looked at again.
"""

import hashlib
import json
import re
import secrets
import string
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from gateway.domain import Masked, Span

_NONCE_ALPHABET = string.ascii_lowercase + string.digits
_NONCE_LENGTH = 5
_OURS = re.compile(r"<[A-Z]+_[0-9]+_[0-9a-z]+>")
_WORD = re.compile(r"\w+")

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


def mask(texts: Sequence[str], spans: Sequence[Sequence[Span]], nonce: str, *, programs: int = 0) -> Masked:
    """Replaces every span (sorted by start, not overlapping; one sequence per text) by its placeholder.

    The same words of the same kind get the same placeholder in all texts. Every other exact occurrence of a
    found value is masked too, because a recogniser often misses the second mention; in the last `programs`
    texts only values that no identifier can be (they hold a blank, a dot, a dash...), so that programs keep
    their meaning.
    """
    if not any(spans):
        return Masked(tuple(texts), {}, nonce)
    placeholders = _Numbering(nonce)
    for text, found in zip(texts, spans, strict=True):
        for span in found:
            placeholders.of(span.kind, text[span.start : span.end])
    values = placeholders.first_of_value()
    in_prose, in_programs = _Repeats(values, identifiers=True), _Repeats(values, identifiers=False)
    prose = len(texts) - programs
    masked = tuple(
        _replace(text, found, placeholders, in_prose if index < prose else in_programs)
        for index, (text, found) in enumerate(zip(texts, spans, strict=True))
    )
    return Masked(masked, placeholders.originals(), nonce)


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
    return Masked(
        tuple(text.replace(old, new) for text in masked.texts), originals_under(nonce, masked), nonce
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
        self._known: dict[tuple[str, str], str] = {}
        self._count: dict[str, int] = {}

    def of(self, kind: str, value: str) -> str:
        placeholder = self._known.get((kind, value))
        if placeholder is None:
            number = self._count.get(kind, 0) + 1
            self._count[kind] = number
            placeholder = self._known[kind, value] = f"<{kind}_{number}_{self._nonce}>"
        return placeholder

    def first_of_value(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for (_, value), placeholder in self._known.items():
            found.setdefault(value, placeholder)
        return found

    def originals(self) -> dict[str, str]:
        return {placeholder: value for (_, value), placeholder in self._known.items()}


class _Repeats:
    """Finds exact occurrences of known values at word boundaries.

    Values are looked up by their first word and then by their few lengths: thousands of values in a long text
    stay near linear, where one alternation of them all would be tried at every character.
    """

    def __init__(self, placeholder_of: Mapping[str, str], *, identifiers: bool) -> None:
        self._placeholder_of = placeholder_of
        by_word: dict[str, set[tuple[int, int]]] = {}
        for value in placeholder_of:
            word = _WORD.search(value)
            if word is None or not _SHORTEST_REPEATED <= len(value) <= _LONGEST_REPEATED:
                continue
            if not identifiers and _WORD.fullmatch(value):
                continue
            by_word.setdefault(word[0], set()).add((word.start(), len(value)))
        # longest first: "Anna Smith" is one person, not "Anna" and a rest
        self._shapes = {word: sorted(shapes, key=lambda s: -s[1]) for word, shapes in by_word.items()}

    def within(self, text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
        """(start, end, placeholder) of each occurrence in `text[start:end]`, in order, not overlapping."""
        if not self._shapes:
            return
        done = start
        for word in _WORD.finditer(text, start, end):
            for lead, length in self._shapes.get(word[0], ()):
                first = word.start() - lead
                last = first + length
                if first < done or last > end or not _stands_alone(text, first, last):
                    continue
                placeholder = self._placeholder_of.get(text[first:last])
                if placeholder is not None:
                    yield first, last, placeholder
                    done = last
                    break


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = start == 0 or not (_is_word(text[start - 1]) and _is_word(text[start]))
    after = end == len(text) or not (_is_word(text[end - 1]) and _is_word(text[end]))
    return before and after


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


def _replace(text: str, found: Sequence[Span], placeholders: _Numbering, repeats: _Repeats) -> str:
    parts: list[str] = []
    cursor = 0

    def gap(until: int) -> None:
        nonlocal cursor
        for start, end, placeholder in repeats.within(text, cursor, until):
            parts.extend((text[cursor:start], placeholder))
            cursor = end
        parts.append(text[cursor:until])

    for span in found:
        gap(span.start)
        parts.append(placeholders.of(span.kind, text[span.start : span.end]))
        cursor = span.end
    gap(len(text))
    return "".join(parts)


def unmask(text: str, originals: Mapping[str, str], *, json_escaped: bool = False) -> str:
    """Puts the originals back in one pass; what is no placeholder of this request stays as it is.

    With `json_escaped` the values go in as they must stand inside a JSON string (tool calls, JSON mode).
    """
    if not originals or "<" not in text:
        return text
    return _put_back(text, _escaped(originals) if json_escaped else originals)


def _put_back(text: str, originals: Mapping[str, str]) -> str:
    return _OURS.sub(lambda placeholder: originals.get(placeholder[0], placeholder[0]), text)


def _escaped(originals: Mapping[str, str]) -> dict[str, str]:
    return {
        placeholder: json.dumps(value, ensure_ascii=False)[1:-1] for placeholder, value in originals.items()
    }


class StreamUnmasker:
    """`unmask` for a text that arrives in pieces, cut anywhere.

    Holds back only a tail that may be the beginning of one of this request's placeholders; the pieces put
    together equal `unmask` of the whole.
    """

    __slots__ = ("_known", "_longest", "_originals", "_tail")

    def __init__(self, originals: Mapping[str, str], *, json_escaped: bool = False) -> None:
        self._originals = _escaped(originals) if json_escaped else originals
        self._known = sorted(originals)
        self._longest = max(map(len, self._known), default=0)
        self._tail = ""

    def feed(self, delta: str) -> str:
        """What can be said for sure after this piece; may be empty."""
        if not self._tail and "<" not in delta:
            return delta
        text = self._tail + delta
        cut = text.rfind("<")
        if self._may_begin_a_placeholder(text, cut):
            text, self._tail = text[:cut], text[cut:]
        else:
            self._tail = ""
        return _put_back(text, self._originals)

    def flush(self) -> str:
        """The held tail, when no more comes."""
        tail, self._tail = self._tail, ""
        return tail

    def _may_begin_a_placeholder(self, text: str, cut: int) -> bool:
        if len(text) - cut >= self._longest:
            return False
        tail = text[cut:]
        nearest = bisect_left(self._known, tail)
        return (
            nearest < len(self._known)
            and self._known[nearest] != tail
            and self._known[nearest].startswith(tail)
        )
