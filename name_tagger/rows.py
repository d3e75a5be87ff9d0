"""A training text with its labelled spans, and what may be done to it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The order is the tags' order in the model: B- and I- of each, after O.
KINDS = ("PERSON", "ADDRESS", "LOCATION", "ORGANIZATION", "DATE", "AGE", "NRP", "TITLE")
CORE = ("PERSON", "ADDRESS")
UNSURE = "UNSURE"  # any tag is right: nobody said what it is

Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Row:
    """`whole`: every kind is labelled. Otherwise only PERSON and ADDRESS are, and what is not labelled may
    be O or any of the optional kinds."""

    text: str = field(repr=False)
    spans: tuple[Span, ...] = field(repr=False)
    whole: bool
    source: str


def joined(parts: Iterable[tuple[str, str | None]]) -> tuple[str, tuple[Span, ...]]:
    """Words with their kinds one after the other: the text and its spans."""
    text, spans, length = [], [], 0
    for words, kind in parts:
        if kind and words:
            spans.append((length, length + len(words), kind))
        text.append(words)
        length += len(words)
    return "".join(text), tuple(spans)


def split(row: Row) -> list[tuple[str, str | None]]:
    """The inverse of `joined`."""
    parts: list[tuple[str, str | None]] = []
    cursor = 0
    for start, end, kind in sorted(row.spans):
        if start < cursor:
            continue
        parts.append((row.text[cursor:start], None))
        parts.append((row.text[start:end], kind))
        cursor = end
    parts.append((row.text[cursor:], None))
    return [part for part in parts if part[0]]


def same_length(recased: str, text: str) -> str:
    """`recased`, or the text itself where changing the case changed the length (German sharp s)."""
    return recased if len(recased) == len(text) else text


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file. Only a line feed ends a line: texts hold U+2028 too."""
    with file.open(encoding="utf-8", newline="\n") as opened:
        yield from (json.loads(line) for line in opened if line.strip())
