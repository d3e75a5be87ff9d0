"""Lines of a text file, each of a bounded length, strictly UTF-8."""

from collections.abc import Iterator
from typing import TextIO

from gateway.adapters.tables.columns import invalid

LONGEST_RECORD = 1 << 20  # characters of a line, or of a JSON object
NOT_UTF8 = "The file is not UTF-8."
NUL = "The file holds the character NUL."


def lines(file: TextIO, not_utf8: str = NOT_UTF8) -> Iterator[str]:
    """With their ends, which a quoted field may hold. Raises InvalidDataset, in the words `not_utf8` where
    the file is another encoding's."""
    number = 0
    try:
        while line := file.readline(LONGEST_RECORD + 1):
            number += 1
            if len(line) > LONGEST_RECORD:
                raise invalid(f"A line has more than {LONGEST_RECORD} characters.", f"Line {number}")
            if "\0" in line:
                raise invalid(NUL, f"Line {number}")
            yield line
    except UnicodeDecodeError:
        # The file is decoded 8 KiB at a time, so the line itself is not known.
        place = f"Within 8 KiB behind line {number}" if number else "Near the beginning"
        raise invalid(not_utf8, place) from None
