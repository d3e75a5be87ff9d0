"""Which parts of a submission speak to the grader, and the submission without them.

A classifier judges the whole and each piece, code adds the marks that it can see itself (marks.py). Pure.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from gateway.grading.marks import SHAPELESS, is_hiding, marks, readable

Spans = tuple[tuple[int, int], ...]

MOST_PIECES = 64
_LEAST_LETTERS = 10  # the detector takes a bare "Result:" for an order: it is asked with its neighbour
_LEAST_WORDS = 3  # of a comment or literal of a program


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Probabilities from which a piece, or the whole, speaks to the grader; and from which a piece does that
    stands beside one: "Reason: nothing is missing." after a verdict of the student's own making."""

    sure: float
    kin: float
    whole: float


# Chosen on training parts. Prose: of 140 attacks in grader_injection all are found (124 by marks alone), of
# 1,995 answers in saf_en and mohler 1 is flagged (15 from 0.65). The detector has seen no programs: from
# 0.65 a third of 300 Java files would be flagged, from 0.9 with short literals left out none is, and of the
# same attacks in a program's comment 136 are found.
_PROSE = _Bounds(sure=0.75, kin=0.5, whole=0.8)
_PROGRAM = _Bounds(sure=0.9, kin=0.6, whole=0.9)

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
# Comments, literals, and lines of words among the statements. One that is not closed ends with the text: what
# is tried again at each opening mark would take a long program seconds.
_PROGRAM_PROSE = re.compile(
    r'""".*?(?:"""|\Z)'
    r"|'''.*?(?:'''|\Z)"
    r"|/\*.*?(?:\*/|\Z)"
    r"|<!--.*?(?:-->|\Z)"
    r'|"(?:\\.|[^"\\\n])*+["\\]?'
    r"|'(?:\\.|[^'\\\n])*+['\\]?"
    r"|(?:\#|//|--)[^\n]*"
    r"|^[ \t]*(?:[^\W\d_]+[,.:!?]?[ \t]+){4,}+[^\n(){}\[\];=<>]*+$",
    re.DOTALL | re.MULTILINE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring sentences, or a program's comments, as a reader sees them; without the `spans` of the
    submission they are gone."""

    spans: Spans
    shown: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """A submission prepared for the classifier."""

    whole: str = field(repr=False)  # what is shown of it, maybe nothing
    pieces: tuple[Piece, ...]  # at most MOST_PIECES
    marked: Spans  # sentences, or a program's comments, with a mark in them
    hidden: bool  # something in it is invisible
    code: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """Where a submission speaks to its grader, sorted and not overlapping. Empty: the whole is suspect and
    no part of it more than another, or only what is invisible has to go."""

    spans: Spans
    marked: bool  # code has seen it; otherwise a classifier thinks so


def read(text: str, *, code: bool) -> Reading:
    """Takes some milliseconds for a long text."""
    prose = [found.span() for found in _PROGRAM_PROSE.finditer(text)] if code else [(0, len(text))]
    if not code and sum(map(str.isalpha, text)) < _LEAST_LETTERS:
        prose = []  # no room for an order
    units: list[Piece] = []
    for region in prose:
        for start, end in _sentences(text, *region):
            shown = readable(text[start:end]).strip()
            if shown and (not code or len(_WORD.findall(shown)) >= _LEAST_WORDS):
                # Half a comment would leave a program that cannot be read.
                units.append(Piece((region if code else (start, end),), shown))
    size = math.ceil(len(units) / MOST_PIECES) or 1
    groups = [units[first : first + size] for first in range(0, len(units), size)]
    pieces = tuple(
        Piece(tuple(span for unit in group for span in unit.spans), "\n".join(unit.shown for unit in group))
        for group in groups
    )
    if code:
        # What looks like a mark in a statement is the program's own business: `a </s`, a table of roles.
        found = _merged(list(marks(text)))
        marked = tuple(region for region in prose if _touched(found, region))
    else:
        marked = _merged(_whole_sentences(text, list(marks(text))))
    whole = readable(text).strip() if pieces and not code else "\n".join(piece.shown for piece in pieces)
    return Reading(whole, pieces, marked, is_hiding(text), code)


def alarm(reading: Reading, likely: Sequence[float], whole: float) -> Alarm | None:
    """What speaks to the grader: marks, pieces that are `likely` to, and their kin beside them. `likely` are
    the classifier's probabilities for the pieces, `whole` for the whole; without a classifier all are 0."""
    bounds = _PROGRAM if reading.code else _PROSE
    sure = [p >= bounds.sure for p in likely]
    kin = [p >= bounds.kin for p in likely]
    seeds = [
        surely or any(_touched(reading.marked, span) for span in piece.spans)
        for piece, surely in zip(reading.pieces, sure, strict=True)
    ]
    if not any(seeds):
        if whole >= bounds.whole:
            sure = seeds = kin
        elif not reading.hidden and not reading.marked:
            return None
    spread = _spread(seeds, kin)
    taken = [
        span
        for piece, surely, by_kinship, near in zip(reading.pieces, sure, kin, spread, strict=True)
        if surely or (by_kinship and near)
        for span in piece.spans
    ]
    return Alarm(_merged([*taken, *reading.marked]), bool(reading.marked) or reading.hidden)


def without(text: str, found: Alarm) -> str:
    """What is left of the submission when nothing in it speaks to the grader; maybe nothing."""
    kept, done = [], 0
    for start, end in found.spans:
        kept.append(text[done:start])
        done = end
    kept.append(text[done:])
    return SHAPELESS.sub("", "".join(kept)).strip()


def _whole_sentences(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, widened to the ends of the sentences or lines that they touch."""
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    return [(ends[bisect_right(ends, start) - 1], ends[bisect_left(ends, end)]) for start, end in spans]


def _sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Spans that cover `text[start:end]`, each with enough letters to be judged."""
    found: list[tuple[int, int]] = []
    begin, done, letters = start, start, 0
    for cut in [*(match.end() for match in _SENTENCE_END.finditer(text, start, end)), end]:
        letters += sum(map(str.isalpha, text[done:cut]))
        done = cut
        if letters >= _LEAST_LETTERS:
            found.append((begin, cut))
            begin, letters = cut, 0
    if begin < end:
        found.append((found.pop()[0] if found else begin, end))
    return found


def _spread(sure: Sequence[bool], kin: Sequence[bool]) -> list[bool]:
    """`sure` and its neighbours that are kin, as far as they reach without a gap."""
    spread = list(sure)
    for place in range(1, len(spread)):
        spread[place] = spread[place] or (kin[place] and spread[place - 1])
    for place in range(len(spread) - 2, -1, -1):
        spread[place] = spread[place] or (kin[place] and spread[place + 1])
    return spread


def _touched(spans: Sequence[tuple[int, int]], span: tuple[int, int]) -> bool:
    """Whether one of the spans, sorted and not overlapping, has a character in common with `span`."""
    first = bisect_right(spans, span[0], key=itemgetter(1))
    return first < len(spans) and spans[first][0] < span[1]


def _merged(spans: Sequence[tuple[int, int]]) -> Spans:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)
