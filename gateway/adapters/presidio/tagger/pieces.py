"""A text cut into pieces of a few sentences or lines that are read at once."""

import re

LONGEST = 320  # characters; no piece has more word pieces than that
_OVERLAP = 64  # characters two halves of a broken sentence share: longer than nearly every name

# After a full stop and a blank, unless an initial or a short title stands before: "J. Smith", "Mrs. Smith".
_BREAK = re.compile(
    r"(?:(?<![ .(]\w)(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\bProf)[.!?][\"')\]]{0,2}|\n)\s+|\n"
)


def pieces(text: str) -> list[tuple[int, int]]:
    """Ranges of `text` in order, each at most LONGEST long and not blank; sentences are broken only where
    one alone is longer, and then the parts overlap."""
    made: list[tuple[int, int]] = []
    start = end = 0
    for stop in [match.end() for match in _BREAK.finditer(text)] + [len(text)]:
        if stop - start > LONGEST and end > start:
            made.append((start, end))
            start = end
        while stop - start > LONGEST:
            cut = _blank_before(text, start + LONGEST, start + LONGEST - _OVERLAP)
            made.append((start, cut))
            start = _blank_before(text, cut - _OVERLAP, cut - 2 * _OVERLAP)
        end = stop
    made.append((start, end))
    return [(begin, stop) for begin, stop in made if not text[begin:stop].isspace() and begin < stop]


def _blank_before(text: str, position: int, least: int) -> int:
    """The nearest blank at `least` or after, or the position itself."""
    for index in range(position, least, -1):
        if text[index - 1].isspace():
            return index
    return position
