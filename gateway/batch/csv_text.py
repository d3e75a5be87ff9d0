"""CSV record by record with bounded memory.

The csv module keeps a whole record however long: one stray quote makes the rest of a file one record, and a
cell over its limit of 131,072 characters (a process-wide setting) ends the reading. Here a record over the
limit is told and left behind. Otherwise csv.reader reads the same; a property test compares the two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TextIO

_CHUNK = 1 << 16  # characters
_DELIMITERS = (",", ";", "\t")  # the first is meant where the header holds none


@dataclass(frozen=True, slots=True)
class Record:
    line: int  # where it begins, from 1
    cells: tuple[str, ...] = field(repr=False)
    whole: bool = True  # False: more characters than allowed, the cells are those before


class _State(Enum):
    CELL_START = auto()
    BARE = auto()
    QUOTED = auto()
    QUOTE_IN_QUOTED = auto()  # the cell's end, or the first of two


def delimiter_of(header: str) -> str:
    """What separates the cells of a file with this first line: spreadsheets of many countries write `;`."""
    return max(_DELIMITERS, key=header.count)


def records(text: TextIO, delimiter: str, most: int) -> Iterator[Record]:
    """Of a text opened with newline="". Empty lines are no records. `most`: characters of one record."""
    reading = _Reading(delimiter, most)
    while chunk := text.read(_CHUNK):
        yield from reading.feed(chunk)
    yield from reading.end()


class _Reading:
    def __init__(self, delimiter: str, most: int) -> None:
        self._delimiter = delimiter
        self._most = most
        self._bare_end = re.compile(f"[{re.escape(delimiter)}\r\n]")
        self._state = _State.CELL_START
        self._after_cr = False
        self._line = 1
        self._begin()

    def _begin(self) -> None:
        self._began = self._line
        self._cells: list[str] = []
        self._parts: list[str] = []
        self._size = 0
        self._empty = True  # no character yet: an empty line is no record

    def feed(self, chunk: str) -> Iterator[Record]:
        at = 0
        while at < len(chunk):
            if self._after_cr:
                self._after_cr = False
                at += chunk[at] == "\n"
            elif self._state is _State.QUOTED:
                at = self._quoted(chunk, at)
            elif chunk[at] in "\r\n" and self._state is not _State.BARE:
                yield from self._line_end(chunk[at])
                at += 1
            elif self._state is _State.BARE:
                at = self._bare(chunk, at)
                if at < len(chunk) and chunk[at] != self._delimiter:
                    yield from self._line_end(chunk[at])
                    at += 1
                elif at < len(chunk):
                    self._cell_end()
                    at += 1
            else:
                at = self._at_cell_edge(chunk, at)

    def end(self) -> Iterator[Record]:
        """The last record, when no line end closed it."""
        if not self._empty:
            yield self._record()

    def _at_cell_edge(self, chunk: str, at: int) -> int:
        """At the start of a cell, or behind a quote inside a quoted one."""
        self._empty = False
        if chunk[at] == self._delimiter:
            self._cell_end()
        elif chunk[at] == '"':
            if self._state is _State.QUOTE_IN_QUOTED:
                self._keep('"')
            self._state = _State.QUOTED
        else:
            self._state = _State.BARE
            return at
        return at + 1

    def _quoted(self, chunk: str, at: int) -> int:
        end = chunk.find('"', at)
        found = end >= 0
        end = end if found else len(chunk)
        self._line += chunk.count("\n", at, end)
        self._keep(chunk[at:end])
        if found:
            self._state = _State.QUOTE_IN_QUOTED
        return end + found

    def _bare(self, chunk: str, at: int) -> int:
        found = self._bare_end.search(chunk, at)
        end = found.start() if found else len(chunk)
        self._keep(chunk[at:end])
        return end

    def _keep(self, part: str) -> None:
        self._size += len(part)
        if self._size <= self._most:
            self._parts.append(part)

    def _cell_end(self) -> None:
        self._state = _State.CELL_START
        self._size += 1  # empty cells count too, or a line of commas would have no limit
        if self._size <= self._most:
            self._cells.append("".join(self._parts))
        self._parts.clear()

    def _line_end(self, character: str) -> Iterator[Record]:
        self._after_cr = character == "\r"
        self._line += 1
        if self._empty:
            self._began = self._line
        else:
            yield self._record()

    def _record(self) -> Record:
        self._cell_end()
        record = Record(self._began, tuple(self._cells), self._size <= self._most)
        self._begin()
        return record
