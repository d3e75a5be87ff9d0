"""JSON: an array of flat objects, or one flat object a line. Read object by object, never as a whole."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn, TextIO

import polars as pl

from gateway.adapters.tables.columns import checked_names, checked_size, finite, invalid, text
from gateway.adapters.tables.lines import LONGEST_RECORD, NOT_UTF8, NUL, lines

_NAMED_BY = 1000  # rows that name the columns; a later row may lack keys, not add one
_CHUNK_CELLS = 100_000
_WINDOW = 1 << 20  # characters read at once
_BLANK = " \t\r\n"
_FAMILIES: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "text"}
_NESTED = "A value is an object or an array: a table is flat."
_NOT_OBJECTS = "JSON must be an array of objects; lines of JSON must be objects."

Row = dict[str, Any]


def read_json(file: TextIO, most_columns: int | None) -> list[pl.Series]:
    """The columns. Raises InvalidDataset with the object where it breaks."""
    return _columns(_array(file), most_columns)


def read_jsonl(file: TextIO, most_columns: int | None) -> list[pl.Series]:
    """As read_json; blank lines are passed over."""
    return _columns(_lines(file), most_columns)


class _Fault(Exception):
    """Of an object that was read whole. The message is ours."""


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _Fault("An object has a key twice.")
    return row


def _constant(_: str) -> NoReturn:
    raise _Fault("NaN and Infinity are no JSON: leave missing values null.")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _lines(file: TextIO) -> Iterator[Row]:
    for number, line in enumerate(lines(file), start=1):
        bare = line.strip(_BLANK)
        if not bare:
            continue
        row, end = _decoded(bare, 0, f"Line {number}")
        if row is None or end < len(bare):
            raise invalid("A line is not one JSON object.", f"Line {number}")
        yield row


def _array(file: TextIO) -> Iterator[Row]:
    window = _Window(file)
    if window.take() != "[":
        raise invalid(_NOT_OBJECTS)
    number = 1
    follows = window.peek()
    while follows != "]":
        yield window.object(f"Object {number}")
        follows = window.take()
        if follows not in ("]", ","):
            raise invalid("The JSON is broken: ',' or ']' is missing.", f"Behind object {number}")
        number += 1
        if follows == ",":
            window.peek()
    if number == 1:
        window.take()
    if window.peek():
        raise invalid("Something follows the JSON array.")


class _Window:
    """The part of a file that is being looked at."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self) -> str:
        character = self.peek()
        self._at += 1
        return character

    def object(self, place: str) -> Row:
        if self.peek() != "{":
            raise invalid(_NOT_OBJECTS, place)
        while True:
            row, end = _decoded(self._text, self._at, place)
            if row is not None:
                self._at = end
                return row
            # Cut off by the window's edge, or broken: more of the file tells.
            if len(self._text) - self._at > LONGEST_RECORD or not self._more():
                raise invalid(
                    f"The JSON is broken, or an object has more than {LONGEST_RECORD} characters.", place
                )

    def _more(self) -> bool:
        try:
            read = self._file.read(_WINDOW)
        except UnicodeDecodeError:
            raise invalid(NOT_UTF8) from None
        if "\0" in read:
            raise invalid(NUL)
        self._text = self._text[self._at :] + read
        self._at = 0
        return bool(read)


def _decoded(source: str, start: int, place: str) -> tuple[Row | None, int]:
    """The object that begins at `start` and where it ends; None when there is none that is whole."""
    try:
        value, end = _DECODER.raw_decode(source, start)
    except _Fault as fault:
        raise invalid(str(fault), place) from None
    except RecursionError:
        raise invalid(_NESTED, place) from None
    except ValueError:  # broken, or a number of more digits than Python reads
        return None, start
    return (value, end) if isinstance(value, dict) else (None, start)


def _columns(rows: Iterator[Row], most_columns: int | None) -> list[pl.Series]:
    first = list(islice(rows, _NAMED_BY))
    if not first:
        raise invalid("The table has no rows.")
    keys = list(dict.fromkeys(key for row in first for key in row))
    names = checked_names(keys, most_columns)
    building = [_Column(key, name) for key, name in zip(keys, names, strict=True)]
    known, count, chunk = set(keys), 0, first
    while chunk:
        checked_size(count + len(chunk), len(keys))
        for number, row in enumerate(chunk, start=count + 1):
            if not row.keys() <= known:
                raise invalid(
                    f"An object has a key that none of the first {_NAMED_BY} has.", f"Object {number}"
                )
        for column in building:
            column.add(chunk, count)
        count += len(chunk)
        chunk = list(islice(rows, max(1, _CHUNK_CELLS // len(keys))))
    return [column.whole() for column in building]


class _Column:
    """A column as it grows. All its values are of one family."""

    def __init__(self, key: str, name: str) -> None:
        self._key = key
        self._name = name
        self._family: str | None = None
        self._chunks: list[pl.Series] = []

    def add(self, rows: list[Row], before: int) -> None:
        """`before` rows came before these. Raises InvalidDataset."""
        values = [row.get(self._key) for row in rows]
        kinds = set(map(type, values)) - {type(None)}
        families = {_FAMILIES.get(kind) for kind in kinds}
        if families and self._family is None:
            self._family = _FAMILIES.get(next(type(value) for value in values if value is not None))
        if families - {self._family} or None in families:
            raise self._mixed(values, before)
        self._chunks.append(self._chunk(values, kinds))

    def _chunk(self, values: list[Any], kinds: set[type]) -> pl.Series:
        name = self._name
        if not kinds:
            return pl.Series(name, values, dtype=pl.Null)
        if self._family == "boolean":
            return pl.Series(name, values, dtype=pl.Boolean)
        if self._family == "text":
            try:
                return text(pl.Series(name, values, dtype=pl.String))
            except UnicodeEncodeError:
                raise invalid("A text holds half of a surrogate pair.", column=name) from None
        if float not in kinds and all(-(2**63) <= value < 2**63 for value in values if value is not None):
            return pl.Series(name, values, dtype=pl.Int64)
        try:
            doubles = [None if value is None else float(value) for value in values]
        except OverflowError:
            doubles = [float("inf")]
        return finite(pl.Series(name, doubles, dtype=pl.Float64))

    def _mixed(self, values: list[Any], before: int) -> Exception:
        for number, value in enumerate(values, start=before + 1):
            if isinstance(value, dict | list):
                return invalid(_NESTED, f"Object {number}", self._name)
            if value is not None and _FAMILIES[type(value)] != self._family:
                return invalid("A column has values of different types.", f"Object {number}", self._name)
        raise AssertionError

    def whole(self) -> pl.Series:
        types = {chunk.dtype for chunk in self._chunks} - {pl.Null()}
        dtype = pl.Float64() if len(types) > 1 else next(iter(types), pl.String())
        chunks, self._chunks = [chunk.cast(dtype) for chunk in self._chunks], []
        return pl.concat(chunks, rechunk=True)
