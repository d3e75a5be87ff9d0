"""Rows of presidio-research's synthetic set (MIT): their kinds become ours, their values are drawn anew."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from name_tagger.rows import Row, Span, joined, lines, split
from name_tagger.values import Part, Values

SET = "pii_presidio_en"
OURS = {
    "PERSON": "PERSON",
    "STREET_ADDRESS": "ADDRESS",
    "ADDRESS": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "GPE": "LOCATION",
    "LOCATION": "LOCATION",
    "ORGANIZATION": "ORGANIZATION",
    "DATE_TIME": "DATE",
    "AGE": "AGE",
    "NRP": "NRP",
    "TITLE": "TITLE",
    "PREFIX": "TITLE",
}
_PLACES = {"ADDRESS", "LOCATION"}
_GAP = re.compile(r"[\s,.>]{1,5}")


def read(data: Path, part: str) -> Iterator[tuple[str, Row]]:
    """Each row with its template's id. The other kinds (cards, phones ...) are the patterns' work: O."""
    for row in lines(data / SET / f"{part}.jsonl"):
        yield str(row["template_id"]), Row(row["text"], ours(row["text"], row["spans"]), True, SET)


def ours(text: str, spans: list[dict[str, object]]) -> tuple[Span, ...]:
    """Our kinds. A town beside a street is part of the address; the set labels it now so, now apart."""
    made: list[Span] = []
    for one in sorted(spans, key=lambda span: int(str(span["start"]))):
        start, end, kind = int(str(one["start"])), int(str(one["end"])), OURS.get(str(one["type"]))
        if kind is None or (made and start < made[-1][1]):
            continue
        pair = {kind, made[-1][2]} if made else set()
        if pair <= _PLACES and "ADDRESS" in pair and _GAP.fullmatch(text, made[-1][1], start):
            start, kind = made.pop()[0], "ADDRESS"
        made.append((start, end, kind))
    return tuple(made)


def redrawn(row: Row, values: Values, draw: random.Random) -> Row:
    """The same sentence about other people and places; the same words stand for the same new ones."""
    new: dict[str, list[Part]] = {}
    parts: list[Part] = []
    for words, kind in split(row):
        if kind not in _SLOTS or draw.random() < 0.05:
            parts.append((words, kind))
            continue
        if words not in new:
            new[words] = values.slot(_slot(words, kind))
            if words.islower():
                new[words] = [(text.lower(), kind) for text, kind in new[words]]
        parts += new[words]
    text, spans = joined(parts)
    return Row(text, spans, True, row.source)


_SLOTS = {
    "PERSON": "FULL",
    "ADDRESS": "ADDRESS",
    "LOCATION": "PLACE",
    "ORGANIZATION": "ORG",
    "DATE": "DATE",
    "AGE": "AGE",
    "NRP": "NRP",
}


def _slot(words: str, kind: str) -> str:
    if kind == "PERSON":
        return "PERSON" if len(words.split()) == 1 else "FULL"
    if kind == "ADDRESS":
        return "POSTCODE" if re.fullmatch(r"[\d -]+", words) else "ADDRESS" if "\n" in words else "LINE"
    return _SLOTS[kind]
