"""Placeholders out, the caller's own words in: whole texts, quotes, streams. Pure.

A single pass: what was put back is never looked at again.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence

_OURS = re.compile(r"<[A-Z][A-Z_]*_[0-9]+_[0-9a-z]+>")
_OURS_FOLDED = re.compile(_OURS.pattern.lower())
_OURS_ANY_CASE = re.compile(_OURS.pattern, re.IGNORECASE)


def unmask(text: str, originals: Mapping[str, str], *, json_escaped: bool = False) -> str:
    """Puts the originals back in one pass; what is no placeholder of this request stays as it is.

    With `json_escaped` the values go in as they must stand inside a JSON string (tool calls, JSON mode).
    """
    if not originals or "<" not in text:
        return text
    return _put_back(text, _escaped(originals) if json_escaped else originals)


def unmask_quote(quote: str, masked_text: str, words: Sequence[str], originals: Mapping[str, str]) -> str:
    """`unmask` of words that were quoted from `masked_text`, in which `words` stood in that order: each comes
    back in the form in which it stood there («Иванову»), and not in the one that a reply shows."""
    if "<" not in quote:
        return quote
    shown, whole = _folded(quote), _folded(masked_text)
    at = whole.find(shown)
    standing = [*_OURS_FOLDED.finditer(whole)]
    if at < 0 or len(standing) != len(words):
        return unmask(quote, originals)
    quoted = [
        word
        for placeholder, word in zip(standing, words, strict=True)
        if at <= placeholder.start() and placeholder.end() <= at + len(shown)
    ]
    if len(_OURS_ANY_CASE.findall(quote)) != len(quoted):
        return unmask(quote, originals)
    stood = iter(quoted)
    return _OURS_ANY_CASE.sub(lambda _: next(stood), quote)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


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
