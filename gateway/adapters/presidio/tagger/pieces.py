"""A text cut into pieces of a few sentences or lines that are read at once."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

LONGEST = 320  # characters; no piece has more word pieces than that
_OVERLAP = 64  # characters two halves of a broken sentence share: longer than nearly every name

# After a full stop and a blank, unless an initial or a short title stands before: "J. Smith", "Mrs. Smith".
_BREAK = re.compile(
    r"(?:(?<![ .(]\w)(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\bProf)[.!?][\"')\]]{0,2}|\n)\s+|\n"
)


def pieces(text: str, wanted: Callable[[str], bool] = bool) -> list[tuple[int, int]]:
    """Ranges of `text` in order, each at most LONGEST long and not blank, without the sentences that are not
    wanted; sentences are broken only where one alone is longer, and then the parts overlap."""
    runs: list[tuple[int, int]] = []  # neighbouring sentences that are read together
    for start, end in pairwise((0, *(match.end() for match in _BREAK.finditer(text)), len(text))):
        if start == end or text[start:end].isspace() or not wanted(text[start:end]):
            continue
        if runs and runs[-1][1] == start and end - runs[-1][0] <= LONGEST:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return [part for start, end in runs for part in _parts(text, start, end)]


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > LONGEST:
        cut = _blank_before(text, start + LONGEST, start + LONGEST - _OVERLAP)
        yield start, cut
        start = _blank_before(text, cut - _OVERLAP, cut - 2 * _OVERLAP)
    yield start, end


def _blank_before(text: str, position: int, least: int) -> int:
    """The nearest blank at `least` or after, or the position itself."""
    for index in range(position, least, -1):
        if text[index - 1].isspace():
            return index
    return position
