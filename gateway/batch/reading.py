"""Files of submissions -> rows, one at a time: a file may be larger than memory.

What is wrong with one row makes a Fault and never an end. Kept in memory is a 64-bit hash for each id, about
100 bytes a row, to tell duplicates (a false one among a million ids: 3 in 100 million).
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from gateway.batch.csv_text import Record, delimiter_of, records
from gateway.batch.requests import BadRow, cells_request, json_id, json_request, located, openai_request
from gateway.batch.rows import LONGEST_ID, Fault, FaultCode, Format, Job, Row, Unusable
from gateway.chat.request import Bounds, parse_json
from gateway.errors import InvalidRequest

_BOM = b"\xef\xbb\xbf"
_HEAD = 1 << 16  # characters in which a header must end
_TOO_LARGE = "The row is larger than a request may be."


@dataclass(frozen=True, slots=True)
class Limits:
    row: int = 1 << 20  # bytes of a JSON line, characters of a CSV row
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a CSV file is written, so that the output can be written alike."""

    header: tuple[str, ...]
    delimiter: str
    bom: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row as far as it could be read."""

    line: int
    id: str
    asked: tuple[str, Mapping[str, Any]] | BadRow = field(repr=False)  # target and payload
    cells: tuple[str, ...] = field(repr=False, default=())


def read_rows(path: Path, job: Job, limits: Limits) -> Generator[Row | Fault]:
    """Every row of the file in its order; close() it if it is not read to the end. Raises Unusable for a CSV
    file without the columns that are needed, OSError for a file that cannot be read."""
    drafts = _csv_drafts(path, job, limits) if job.format is Format.CSV else _json_drafts(path, job, limits)
    seen: set[int] = set()
    with closing(drafts):
        for index, draft in enumerate(drafts):
            fault = _id_fault(draft.id, seen)
            if isinstance(draft.asked, BadRow):
                fault = draft.asked
            if fault is not None:
                yield Fault(index, draft.line, draft.id, fault.code.value, fault.message)
            elif not isinstance(draft.asked, BadRow):
                yield Row(index, draft.line, draft.id, *draft.asked, draft.cells)


def csv_shape(path: Path) -> Shape:
    """Raises Unusable when the file has no header that can be read."""
    with path.open("rb") as file:
        bom = file.read(len(_BOM)) == _BOM
    with _csv(path) as text:
        head = text.read(_HEAD).lstrip("\r\n")
    delimiter = delimiter_of(head.splitlines()[0] if head else "")
    with _csv(path) as text:
        first = next(records(text, delimiter, _HEAD), None)
    if first is None or not first.whole:
        raise Unusable("the file has no header row")
    if not all(map(_is_text, first.cells)):
        raise Unusable("the file is not UTF-8")
    if len(set(first.cells)) < len(first.cells):
        raise Unusable("two columns of the file have the same name")
    return Shape(first.cells, delimiter, bom)


def json_format(path: Path) -> Format:
    """OpenAI's batch format when the first line has a custom_id."""
    with path.open("rb") as file:
        return Format.OPENAI if b'"custom_id"' in file.readline(_HEAD) else Format.JSONL


def _csv(path: Path) -> TextIO:
    # Bytes that are not UTF-8 become lone surrogates, which tell the row that they are in.
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _is_text(cell: str) -> bool:
    return cell.isascii() or not any("\udc80" <= character <= "\udcff" for character in cell)


def _csv_drafts(path: Path, job: Job, limits: Limits) -> Generator[_Draft]:
    shape = csv_shape(path)
    places = located(shape.header, job.columns)
    with _csv(path) as text:
        found = records(text, shape.delimiter, limits.row)
        next(found)  # the header
        for record in found:
            try:
                _check_shape(record, len(shape.header))
                asked: tuple[str, Mapping[str, Any]] | BadRow = cells_request(record.cells, places, job)
            except BadRow as bad:
                asked = bad
            known = places["id"] < len(record.cells)
            yield _Draft(record.line, record.cells[places["id"]] if known else "", asked, record.cells)


def _check_shape(record: Record, cells: int) -> None:
    if not record.whole:
        raise BadRow(FaultCode.ROW_TOO_LARGE, _TOO_LARGE)
    if len(record.cells) != cells:
        raise BadRow(FaultCode.INVALID_ROW, "The row has not as many cells as the header.")
    if not all(map(_is_text, record.cells)):
        raise BadRow(FaultCode.INVALID_ROW, "The row is not UTF-8.")


def _json_drafts(path: Path, job: Job, limits: Limits) -> Generator[_Draft]:
    with path.open("rb") as file:
        for number, line in _lines(file, limits.row):
            row_id = ""
            try:
                if line is None:
                    raise BadRow(FaultCode.ROW_TOO_LARGE, _TOO_LARGE)
                value = _json_object(line, limits.bounds)
                row_id = json_id(value)
                asked: tuple[str, Mapping[str, Any]] | BadRow = (
                    openai_request(value, job) if job.format is Format.OPENAI else json_request(value, job)
                )
            except BadRow as bad:
                asked = bad
            yield _Draft(number, row_id, asked)


def _lines(file: BinaryIO, most: int) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not blank, with their numbers; None in the place of one that is too long."""
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if len(line) > most and not line.endswith(b"\n"):
            while (rest := file.readline(most)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        elif line.removeprefix(_BOM).strip():
            yield number, line.removeprefix(_BOM)


def _json_object(line: bytes, bounds: Bounds) -> dict[str, Any]:
    try:
        return parse_json(line, bounds)
    except InvalidRequest as error:
        raise BadRow(FaultCode.INVALID_ROW, error.message.replace("The body", "The line")) from None


def _id_fault(row_id: str, seen: set[int]) -> BadRow | None:
    if not row_id.strip():
        return BadRow(FaultCode.MISSING_ID, "The row has no 'id'.")
    if len(row_id) > LONGEST_ID:
        return BadRow(FaultCode.INVALID_ROW, f"'id' has more than {LONGEST_ID} characters.")
    digest = int.from_bytes(hashlib.blake2b(row_id.encode(errors="surrogateescape"), digest_size=8).digest())
    if digest in seen:
        return BadRow(FaultCode.DUPLICATE_ID, "An earlier row has the same 'id'.")
    seen.add(digest)
    return None
