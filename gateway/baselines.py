"""How long a server takes for a request of each kind when nothing is in its way, learnt from its answers.

A completion of 4 tokens and one of 1,000 are not compared: a request's slowness is the ratio of its time to
the best time of its like, so that another mix of requests is no slowness. Pure; seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import quantiles

Shape = tuple[str, int, int]  # operation, log2 of the request's bytes, log2 of the completion's tokens

_FIRST = 8  # answers before a shape's first word, or a crowd: its first are its short ones
_GROUP = 32  # answers of a further word, and at most of the first
_MOST_SHAPES = 256
_SLACK_S = 0.005  # of a machine's own unevenness: an answer of a millisecond may take three


def shape_of(operation: str, request_bytes: int, tokens: int) -> Shape:
    """Of a request and its answer; 0 tokens where they are not told or not waited for."""
    return operation, request_bytes.bit_length(), tokens.bit_length()


@dataclass(frozen=True, slots=True)
class Median:
    """Of figures, and about two standard errors of it to either side. Of equal figures all three are the
    same."""

    low: float
    value: float
    high: float


def median_of(figures: Sequence[float]) -> Median:
    """Of two or more."""
    first, middle, third = quantiles(figures, n=4, method="inclusive")
    # The standard error is 0.9 of this over the root for exponential times, 0.93 for normal ones.
    error = 2 * (third - first) / sqrt(len(figures))
    return Median(middle - error, middle, middle + error)


class _Like:
    """Requests of one shape."""

    __slots__ = ("best_s", "group")

    def __init__(self) -> None:
        self.best_s: float | None = None
        self.group: list[float] = []

    def take(self, seconds: float, crowd: int) -> None:
        group = self.group
        group.append(seconds)
        if len(group) < (_GROUP if self.best_s is not None else min(max(_FIRST, crowd), _GROUP)):
            return
        # The least of many medians is below them all: to count, one must be so beyond doubt.
        found = median_of(group).high
        self.best_s = found if self.best_s is None else min(self.best_s, found)
        self.group = []


class Baselines:
    """The best times by shape. By themselves they only fall, and they rise by scale(): under lasting
    overload the best of the last half minute would be overload's own time."""

    def __init__(self) -> None:
        self._known: dict[Shape, _Like] = {}

    def ratio(self, shape: Shape, seconds: float, crowd: int) -> float | None:
        """How many times the best of its like an answer took, which is learnt from; None while there are too
        few of its like to say."""
        like = self._known.get(shape)
        if like is None:
            if len(self._known) >= _MOST_SHAPES:
                self._known.pop(next(iter(self._known)))
            like = self._known[shape] = _Like()
        best_s = like.best_s
        like.take(seconds, crowd)
        return None if best_s is None else (seconds + _SLACK_S) / (best_s + _SLACK_S)

    def scale(self, factor: float) -> None:
        """The server has become slower, or the best times were none: for every shape alike."""
        for like in self._known.values():
            if like.best_s is not None:
                like.best_s *= factor
                like.group = []
