"""Which of many are kept: evenly, and at a cost that does not grow with their number."""

from collections.abc import Sequence
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Reservoir(Generic[T]):
    """At most `size` of the things that are offered, each as likely as every other: algorithm R (Vitter
    1985)."""

    def __init__(self, size: int, luck: Random) -> None:
        self.kept: list[T] = []
        self.offered = 0
        self._size = size
        self._random = luck.random

    def offer(self, one: T) -> None:
        self.offered += 1
        if len(self.kept) < self._size:
            self.kept.append(one)
            return
        place = int(self._random() * self.offered)
        if place < self._size:
            self.kept[place] = one


def whole(share: float, luck: Random) -> int:
    """A whole number that is `share` on average, and never further from it than to the next one: half a thing
    a window is one in every second window."""
    return int(share + luck.random())


def fairly(owners: Sequence[str], most: int, luck: Random) -> list[int]:
    """Places of `owners`, at most so many: in rounds of one for each owner, drawn evenly among its own. Who
    has few is not crowded out by who has many."""
    names = list(dict.fromkeys(owners))
    luck.shuffle(names)  # the last round may not be enough for all
    waiting: dict[str, list[int]] = {name: [] for name in names}
    for place in luck.sample(range(len(owners)), len(owners)):
        waiting[owners[place]].append(place)
    drawn: list[int] = []
    while waiting and len(drawn) < most:
        for owner in [*waiting][: most - len(drawn)]:
            drawn.append(waiting[owner].pop())
            if not waiting[owner]:
                del waiting[owner]
    return drawn
