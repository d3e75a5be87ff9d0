"""A CSV file of rows to be predicted: read, held against a model's signature, and written with the answers.

Pure. Cells are read as the gateway reads a data set's: blank is missing, spaces around numbers do not matter.
"""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ui.cells import said

MOST_BYTES = 20 << 20
MOST_ROWS = 100_000
_DELIMITERS = (",", ";", "\t")  # the first is meant where the header holds none
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST_WHOLE, _LARGEST = 1 << 53, 3.4028234663852886e38  # what the gateway takes: a double's, a float32's
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # what a spreadsheet reads as one, as in the gateway's own CSV files
_BOM = "\ufeff"

Features = Sequence[Mapping[str, str]]  # of a signature: name and type
Instance = dict[str, Any]


class BadSheet(Exception):
    """The file cannot be read: `why` names the words, `line` the place."""

    def __init__(self, why: str, line: int | None = None) -> None:
        self.why, self.line = why, line
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Sheet:
    header: tuple[str, ...]
    rows: list[list[str]] = field(repr=False)
    delimiter: str = ","
    bom: bool = False


def read_sheet(content: bytes) -> Sheet:
    """Raises BadSheet: nothing is guessed or skipped, but for blank lines."""
    if len(content) > MOST_BYTES:
        raise BadSheet("too_large")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BadSheet("not_utf8", content.count(b"\n", 0, error.start) + 1) from None
    bom, text = text.startswith(_BOM), text.removeprefix(_BOM)
    if "\0" in text:
        raise BadSheet("not_text", text.count("\n", 0, text.index("\0")) + 1)
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return _read(reader, delimiter, bom=bom)
    except csv.Error:
        raise BadSheet("broken_quote", reader.line_num) from None


def _read(reader: Any, delimiter: str, *, bom: bool) -> Sheet:
    header = tuple(name.strip() for name in next(reader, []))
    if not any(header):
        raise BadSheet("no_header")
    if len(set(header)) < len(header):
        raise BadSheet("twice", 1)
    rows: list[list[str]] = []
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise BadSheet("width", reader.line_num)
        if len(rows) == MOST_ROWS:
            raise BadSheet("too_many")
        rows.append(row)
    if not rows:
        raise BadSheet("no_rows")
    return Sheet(header, rows, delimiter, bom)


def missing_and_extra(header: Sequence[str], features: Features) -> tuple[list[str], list[str]]:
    """Features that no column has, and columns that are no feature."""
    names = [one["name"] for one in features]
    return [name for name in names if name not in header], [name for name in header if name not in names]


def instance(row: Sequence[str], header: Sequence[str], features: Features) -> tuple[Instance, list[str]]:
    """The row as the model takes it, and the features whose cell it cannot be."""
    types = {one["name"]: one["type"] for one in features}
    values: Instance = {}
    wrong = []
    for name, text in zip(header, row, strict=True):
        if name not in types or not text.strip():
            continue
        value = cell(text, types[name])
        if value is None:
            wrong.append(name)
        else:
            values[name] = value
    # A row of missing values alone names no feature, which the gateway would refuse.
    return values or dict.fromkeys(types), wrong


def cell(text: str, kind: str) -> str | float | bool | None:
    """A cell with something in it as a value of that type; None: it is none."""
    stripped = text.strip()
    if kind == "text":
        return text
    if kind == "boolean":
        return {"true": True, "false": False}.get(stripped.lower())
    if kind == "integer":
        whole = int(stripped.partition(".")[0]) if _WHOLE.fullmatch(stripped) and len(stripped) < 40 else None
        return whole if whole is not None and abs(whole) <= _LARGEST_WHOLE else None
    number = float(stripped) if _NUMBER.fullmatch(stripped) else math.inf
    return number if abs(number) <= _LARGEST else None


def written(sheet: Sheet, answers: Mapping[int, Mapping[str, Any]], failed: Mapping[int, str]) -> bytes:
    """The input's rows as they came, with what was predicted beside; empty where nothing was (yet)."""
    labels = list(next(iter(answers.values()), {}).get("probabilities", {}))
    ours = ["prediction", "confidence", *(f"probability_{label}" for label in labels), "error"]
    text = io.StringIO(_BOM if sheet.bom else "", newline="")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text, delimiter=sheet.delimiter, lineterminator="\r\n")
    writer.writerow([*sheet.header, *(_named(name, sheet.header) for name in ours)])
    for place, row in enumerate(sheet.rows):
        told = answers.get(place, {})
        likely = told.get("probabilities", {})
        values = [told.get("label"), told.get("confidence"), *map(likely.get, labels), failed.get(place)]
        writer.writerow([*row, *map(_written, values)])
    return text.getvalue().encode()


def _named(name: str, header: Sequence[str]) -> str:
    while name in header:
        name = f"model_{name}"
    return name


def _written(value: Any) -> str:
    """A cell of ours: a label may be anybody's text. The input's own cells stay as they are."""
    if value is None:
        return ""
    text = said(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
