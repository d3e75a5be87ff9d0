"""Parts of a text as marks in it, as HTML. Pure.

What stands on the page is the text itself: without tags and with entities read it is the text that was given,
but for U+0000, which HTML cannot hold: U+2400 stands for it.
"""

import html
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Span:
    """Code points `start` to `end` of a text, and whose they are."""

    start: int
    end: int
    name: str


def quoted(text: str, quotes: Iterable[tuple[str, str]]) -> list[Span]:
    """Where the quotes, (whose, words), stand first in the text; one that is not in it is left out. White
    space and case may differ, as the gateway lets them."""
    found = []
    for name, words in quotes:
        start = text.find(words) if words.strip() else -1
        if start >= 0:
            found.append(Span(start, start + len(words), name))
        elif words.strip():
            loosely = r"\s+".join(re.escape(word) for word in words.split())
            if place := re.search(loosely, text, re.IGNORECASE):
                found.append(Span(place.start(), place.end(), name))
    return found


def placeholders(masked: str, known: Iterable[tuple[str, str]]) -> list[Span]:
    """Where the placeholders, (kind, placeholder), stand in a masked text: every one of them, and nothing
    that only looks like one."""
    kinds = {placeholder: kind for kind, placeholder in known}
    if not kinds:
        return []
    any_of = "|".join(map(re.escape, kinds))
    return [Span(one.start(), one.end(), kinds[one[0]]) for one in re.finditer(any_of, masked)]


def marked(text: str, spans: Iterable[Span], *, css: str = "", label: bool = True) -> str:
    """The text with its spans in `<mark>`, cut where they overlap. `label`: where a span ends stands whose it
    is, by CSS, so that it is no part of the text."""
    begins: dict[int, list[Span]] = defaultdict(list)
    for span in spans:
        begins[span.start].append(span)
    places = sorted({0, len(text), *begins, *(span.end for each in begins.values() for span in each)})
    pieces, here = [], list[Span]()
    for start, end in pairwise(places):
        here = [span for span in here if span.end > start] + begins[start]
        words = html.escape(text[start:end].replace("\0", "\u2400"))
        pieces.append(_mark(words, here, end, css, label=label) if here else words)
    return "".join(pieces)


def _mark(words: str, here: list[Span], end: int, css: str, *, label: bool) -> str:
    whose = " ".join(dict.fromkeys(span.name for span in here))
    ending = " ".join(dict.fromkeys(span.name for span in here if span.end == end))
    classes = " ".join(filter(None, [css, "many" if len(here) > 1 else ""]))
    said = f' class="{classes}"' if classes else ""
    by = f' data-by="{html.escape(ending)}"' if label and ending else ""
    return f'<mark{said} title="{html.escape(whose)}"{by}>{words}</mark>'
