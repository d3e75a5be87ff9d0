"""What the recognisers of written shapes share: scores, edges of numbers, where digits are."""

import re
from collections.abc import Iterator

from gateway.adapters.presidio.folding import fold

LANGUAGE = "xx"  # texts are mixed: every recogniser reads every text
# A word that names a finding and stands near raises its score by .35 (context.py).
SURE, LIKELY, NEEDS_CONTEXT = 0.9, 0.6, 0.3
# Findings below fall. In a program what is only likely is a constant: it counts when a word says what it is.
PROSE_THRESHOLD, PROGRAM_THRESHOLD = 0.5, 0.62

# Where a number may begin and end: «тел.8921...» and «ИНН7707...» do, the tail of a hash or of 3.14 does not.
BEGIN, END = r"(?<![A-Za-z0-9_])(?<!\d[.-])", r"(?!\w)(?![.-]\d)"

WORD = re.compile(r"[^\W_]+")

_DIGITS = re.compile("[0-9]+")
_SEPARATORS = str.maketrans("", "", " .-()+_/*\n\t")


def digits_of(text: str) -> str:
    """A number without what it is grouped by."""
    return text.translate(_SEPARATORS)


def has_word(entry: str) -> bool:
    """Whether a phrase of a deployment's lists has a letter or a digit to be found by."""
    return WORD.search(fold(entry).text) is not None


def near_digits(text: str, before: int, after: int) -> Iterator[tuple[int, int]]:
    """Stretches of the text that hold every digit with so many characters around; in order, apart."""
    start = end = -1
    for digits in _DIGITS.finditer(text):
        if digits.start() - before > end:
            if end > 0:
                yield start, end
            start = max(0, digits.start() - before)
        end = digits.end() + after
    if end > 0:
        yield start, min(end, len(text))
