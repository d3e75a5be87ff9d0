"""A file of data, as far as it is looked at before the gateway checks it. Pure."""

import csv
import json
import re
from pathlib import PurePath

_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "ndjson": "application/jsonl",
}
ENDINGS = tuple(_TYPES)
_LONGEST_NAME = 64  # of a data set
_LONGEST_HEAD = 1 << 20  # bytes that are looked at for the columns' names; a header of 1000 is 200 KB at most
_LONGEST_LINE = 300  # characters of a line that is quoted
_LINE = re.compile(r"\b[Ll]ine ([1-9][0-9]{0,8})\b")


def content_type(file_name: str) -> str:
    """By the name's ending, one of ENDINGS."""
    return _TYPES[_ending(file_name)]


def data_set_name(file_name: str) -> str:
    """A name that the gateway takes, made of the file's; empty where nothing of it can stand."""
    stem = re.sub(r"[^a-z0-9._-]+", "-", PurePath(file_name).stem.lower())
    return stem.strip("-._")[:_LONGEST_NAME]


def columns_of(file_name: str, content: bytes) -> list[str]:
    """The names in the header, or of the first object; none where it cannot be read, which the gateway will
    tell in its own words."""
    head = content[:_LONGEST_HEAD].decode("utf-8-sig", errors="ignore")
    if _ending(file_name) == "csv":
        try:
            header = next(csv.reader(head.splitlines(keepends=True)), [])
        except csv.Error:
            return []
        return [name.strip() for name in header if name.strip()]
    try:
        first, _ = json.JSONDecoder().raw_decode(head.lstrip().removeprefix("[").lstrip())
    except (ValueError, RecursionError):
        return []
    return list(first) if isinstance(first, dict) else []


def line_named(message: str, content: bytes) -> tuple[int, str] | None:
    """The line of the file that a refusal names, and its beginning."""
    found = _LINE.search(message)
    if found is None:
        return None
    number = int(found[1])
    lines = content.split(b"\n", number)
    if number > len(lines):
        return None
    return number, lines[number - 1].decode("utf-8", errors="replace").rstrip("\r")[:_LONGEST_LINE]


def _ending(file_name: str) -> str:
    return PurePath(file_name).suffix.lower().removeprefix(".")
