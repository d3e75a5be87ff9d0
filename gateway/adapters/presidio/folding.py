"""Texts as the recognisers read them: look-alike characters folded, invisible ones gone, offsets kept."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

# Soft hyphen, zero-width space and joiners, bidi marks, word joiner, BOM: invisible, yet they hide an e-mail.
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+")

# One character to one character, so that offsets stay: full-width ASCII, dashes, blanks.
_LOOK_ALIKE = {
    **{0xFF01 + i: 0x21 + i for i in range(94)},
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63"), ord("-")),
    **dict.fromkeys(
        map(ord, "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"), ord(" ")
    ),
    **dict.fromkeys(map(ord, "\u202f\u205f\u3000"), ord(" ")),
    0x2019: ord("'"),
}


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` to search in, and the way back to the original's offsets."""

    text: str = field(repr=False)
    kept: tuple[int, ...] = ()  # where each kept piece starts in `text`
    shift: tuple[int, ...] = ()  # how many characters were dropped before it

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The original's offsets of `text[start:end]` (not empty), with what is invisible inside."""
        if not self.kept:
            return start, end
        return self._back(start), self._back(end - 1) + 1

    def _back(self, position: int) -> int:
        return position + self.shift[bisect_right(self.kept, position) - 1]


def fold(text: str) -> Folded:
    """Linear in the text. An ASCII text comes back as it is."""
    if text.isascii():
        return Folded(text)
    text = text.translate(_LOOK_ALIKE)
    if not _INVISIBLE.search(text):
        return Folded(text)
    pieces: list[str] = []
    kept, shift = [0], [0]
    cursor = length = 0
    for hidden in _INVISIBLE.finditer(text):
        pieces.append(text[cursor : hidden.start()])
        length += hidden.start() - cursor
        cursor = hidden.end()
        kept.append(length)
        shift.append(cursor - length)
    pieces.append(text[cursor:])
    return Folded("".join(pieces), tuple(kept), tuple(shift))
