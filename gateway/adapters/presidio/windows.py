"""A text as recognisers are given it: in windows."""

from collections.abc import Iterator

_WINDOW = 2_000  # characters read at once: bounds every cost of Presidio's that grows with the square
_OVERLAP = 300  # characters two neighbours share: longer than any finding and its context


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Overlapping stretches that begin and end at a blank where there is one near."""
    start = 0
    while True:
        end = start + _WINDOW
        if end >= len(text):
            yield start, len(text)
            return
        end = _blank_before(text, end)
        yield start, end
        start = _blank_before(text, end - _OVERLAP)


def _blank_before(text: str, position: int) -> int:
    """The nearest blank among the hundred characters before, or the position itself."""
    for index in range(position, position - 100, -1):
        if text[index].isspace():
            return index
    return position
