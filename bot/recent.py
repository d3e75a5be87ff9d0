"""What is kept of many, for a while, in memory: the longest unused go first."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Makes what is asked for first; forgets what was not asked for within `age_s`, or is beyond `most`."""

    def __init__(
        self, make: Callable[[], V], most: int, age_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._most = most
        self._age_s = age_s
        self._clock = clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()  # and when it was used; oldest first

    def of(self, key: K) -> V:
        """What is kept under the key, used now."""
        now = self._clock()
        while self._kept and next(iter(self._kept.values()))[0] < now - self._age_s:
            self._kept.popitem(last=False)
        value = self._kept.pop(key)[1] if key in self._kept else self._make()
        self._kept[key] = now, value
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return value
