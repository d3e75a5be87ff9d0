"""Long passages in slices, so that one request's long text lets other requests through between two of them.

A slice is read with what stands around its core; what begins in the core is believed, so that a value at the
border is seen whole once. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.domain import Passage, Span

LONGEST = 5_000  # characters of a core: 30 ms of usual text, a quarter of a second of the densest
_AROUND = 500  # characters read before and after a core: longer than any finding and its context


@dataclass(frozen=True, slots=True)
class Slice:
    passage: Passage
    offset: int  # of its text in the whole one
    core: tuple[int, int]  # in the whole text


def sliced(passage: Passage) -> Iterator[Slice]:
    """In order. A program stays whole: where a comment or literal ends is known from its beginning only."""
    text = passage.text
    if len(text) <= LONGEST or passage.program:
        yield Slice(passage, 0, (0, len(text)))
        return
    for first in range(0, len(text), LONGEST):
        last = min(len(text), first + LONGEST)
        start, end = max(0, first - _AROUND), min(len(text), last + _AROUND)
        seams = tuple(seam - start for seam in passage.seams if start < seam < end)
        yield Slice(replace(passage, text=text[start:end], seams=seams), start, (first, last))


def together(slices: Iterable[Slice]) -> Iterator[list[Slice]]:
    """Slices that are asked about at once: about LONGEST characters of them."""
    group: list[Slice] = []
    length = 0
    for one in slices:
        if group and length + len(one.passage.text) > LONGEST:
            yield group
            group, length = [], 0
        group.append(one)
        length += len(one.passage.text)
    if group:
        yield group


def whole(slices: Sequence[Slice], answers: Sequence[Sequence[Span]]) -> list[Span]:
    """The spans of the passage that was sliced, in its own offsets."""
    spans: list[Span] = []
    for one, found in zip(slices, answers, strict=True):
        first, last = one.core
        for span in found:
            start, end = span.start + one.offset, span.end + one.offset
            if first <= start < last and (not spans or spans[-1].end <= start):
                parts = tuple((a + one.offset, b + one.offset) for a, b in span.parts)
                spans.append(replace(span, start=start, end=end, parts=parts))
    return spans
