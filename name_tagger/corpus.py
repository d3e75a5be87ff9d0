"""The stream of training rows: a mixture of presidio's rows, templates, sentences with names and without."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.adapters.presidio.tagger.pieces import LONGEST, pieces
from name_tagger import presidio_rows
from name_tagger.lists import Lists, lists
from name_tagger.natural import Natural, addressed, natural, spoilt, with_names
from name_tagger.rows import Row, joined, same_length
from name_tagger.values import Part, Values

_SLOT = re.compile(r"\{([A-Z]+)\}")


@dataclass(frozen=True, slots=True)
class Mixture:
    """How many of a thousand rows come from where."""

    presidio: int
    presidio_redrawn: int
    templates: int
    with_names: int
    addressed: int
    natural: int


@dataclass(frozen=True, slots=True)
class Corpus:
    presidio: list[Row]
    templates: list[str]
    natural: Natural
    known: Lists
    mixture: Mixture
    used: dict[str, int] = field(default_factory=dict)  # source -> rows drawn so far

    def rows(self, draw: random.Random) -> Iterator[Row]:
        """Without end. Each fits a piece of the reader's."""
        values = Values(self.known, draw)
        shares = [getattr(self.mixture, name) for name in Mixture.__slots__]
        while True:
            [source] = draw.choices(Mixture.__slots__, shares)
            row = self._row(source, values, draw)
            self.used[source] = self.used.get(source, 0) + 1
            row = _recased(row, draw)
            yield from cut(row)

    def _row(self, source: str, values: Values, draw: random.Random) -> Row:
        if source == "presidio":
            return draw.choice(self.presidio)
        if source == "presidio_redrawn":
            return presidio_rows.redrawn(draw.choice(self.presidio), values, draw)
        if source == "templates":
            return filled(draw.choice(self.templates), self.natural.sentences, values, draw)
        if source == "with_names":
            return with_names(draw.choice(self.natural.about_people), values, draw)
        if source == "addressed":
            return addressed(draw.choice(self.natural.sentences), values, draw)
        row = draw.choice(self.natural.rows)
        return spoilt(row, self.natural.small, draw) if draw.random() < 0.4 else row


def corpus(data: Path, mixture: Mixture, seed: int) -> Corpus:
    known = lists(seed)
    names = frozenset(
        name.lower() for group in (known.given, known.surnames) for every in group.values() for name in every
    )
    return Corpus(
        presidio=[row for _, row in presidio_rows.read(data, "train")],
        templates=templates(),
        natural=natural(data, names, random.Random(seed)),  # noqa: S311 - sentences, not secrets
        known=known,
        mixture=mixture,
    )


def templates() -> list[str]:
    lines = Path(__file__).with_name("templates.txt").read_text(encoding="utf-8").splitlines()
    return [_lines(line) for line in lines if line and not line.startswith(";;")]


def _lines(line: str) -> str:
    return line.replace("\\n", "\n").replace("\\t", "\t")


def filled(template: str, sentences: list[str], values: Values, draw: random.Random) -> Row:
    """A template with every slot drawn anew."""
    parts: list[Part] = []
    cursor = 0
    for slot in _SLOT.finditer(template):
        parts.append((template[cursor : slot.start()], None))
        if slot[1] == "TEXT":
            parts.append((draw.choice(sentences), None))
        else:
            parts += values.slot(slot[1])
        cursor = slot.end()
    tail = template[cursor:]
    if tail.endswith(".") and draw.random() < 0.25:
        tail = tail[:-1]
    parts.append((tail, None))
    text, spans = joined(parts)
    return Row(text, spans, "{TEXT}" not in template, "templates")


def _recased(row: Row, draw: random.Random) -> Row:
    chance = draw.random()
    if chance < 0.06:
        return Row(same_length(row.text.lower(), row.text), row.spans, row.whole, row.source)
    if chance < 0.075:
        return Row(same_length(row.text.upper(), row.text), row.spans, row.whole, row.source)
    return row


def cut(row: Row) -> Iterator[Row]:
    """As the reader cuts; a span that crosses the cut falls into its parts."""
    if len(row.text) <= LONGEST:
        yield row
        return
    for start, end in pieces(row.text):
        spans = tuple(
            (max(s, start) - start, min(e, end) - start, kind)
            for s, e, kind in row.spans
            if s < end and start < e
        )
        yield Row(row.text[start:end], spans, row.whole, row.source)
