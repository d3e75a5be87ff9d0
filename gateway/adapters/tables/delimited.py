"""CSV as RFC 4180 has it: a header line, commas, quotes doubled inside quotes. Read in chunks of rows."""

import csv
from collections.abc import Iterator
from itertools import islice
from typing import TextIO

import polars as pl

from gateway.adapters.tables.columns import (
    LONGEST_FIELD,
    checked_names,
    checked_size,
    invalid,
    typed,
)
from gateway.adapters.tables.lines import lines

_CHUNK_CELLS = 100_000
_NOT_UTF8 = "The file is not UTF-8: in Excel, save it as 'CSV UTF-8'."  # not as 'CSV', which is cp1251 or so


def read_csv(file: TextIO, most_columns: int | None) -> list[pl.Series]:
    """The columns. Raises InvalidDataset with the line where it breaks."""
    rows = _rows(file)
    header = next(rows, None)
    if header is None:
        raise invalid("The file is empty.")
    names = checked_names(header, most_columns)
    if all(_is_number(name) for name in names):
        raise invalid("The first line must hold the columns' names, and it holds numbers only.", "Line 1")
    chunks: list[list[pl.Series]] = [[] for _ in names]
    count = 0
    while chunk := list(islice(rows, max(1, _CHUNK_CELLS // len(names)))):
        count += len(chunk)
        checked_size(count, len(names))
        for column, values in zip(chunks, zip(*chunk, strict=True), strict=True):
            column.append(pl.Series(values, dtype=pl.String))
    if not count:
        raise invalid("The table has no rows.")
    columns = []
    for number, name in enumerate(names):
        columns.append(typed(pl.concat(chunks[number], rechunk=True).alias(name)))
        chunks[number] = []  # its texts are not needed twice
    return columns


def _rows(file: TextIO) -> Iterator[list[str]]:
    """Records as long as the first, without the blank lines at the end. Raises InvalidDataset."""
    # Text behind a quote, or a quote that is never closed, is an error only when asked for: `strict`.
    reader = csv.reader(lines(file, _NOT_UTF8), strict=True)
    width = blank = 0
    began = 1
    try:
        for row in reader:
            if not row:
                blank = blank or began
            elif blank:
                raise invalid("A line is blank.", f"Line {blank}")
            elif len(row) != (width := width or len(row)):
                raise invalid(
                    "A row has another number of fields than the header.",
                    f"Line {began} begins a row of {len(row)} fields, the header has {width}",
                )
            else:
                yield row
            began = reader.line_num + 1
    except csv.Error as error:
        if "field larger" in str(error):
            raise invalid(f"A field has more than {LONGEST_FIELD} characters.", f"Line {began}") from None
        raise invalid("A quote is broken: it is not closed, or text follows it.", f"Line {began}") from None


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
