"""How many requests may be at a server at once: as many as it answers about as fast as a few.

A gradient, as Netflix's concurrency-limits have one (https://github.com/Netflix/concurrency-limits), with two
changes that simulations asked for (docs/decisions/0011). Slowness is a ratio to the best time of a request's
like (baselines.py). And it is set against the crowd that the request itself met, not against the limit of
now: an answer that comes seconds after a cut tells nothing about the cut.

Pure: it is given the time and never waits.
"""

from dataclasses import dataclass, field
from math import sqrt
from statistics import median
from typing import Protocol

from gateway.baselines import Baselines, Shape, median_of

_WINDOW = 10  # answers from which a median says something, ...
_WINDOW_S = 0.1  # ... of a time in which the crowd has followed the limit
_QUIET, _QUIET_S = 3, 1.0  # a slow server's window
_SURE = 64  # answers whose median is taken for what it is
_MOST_OF_WINDOW = 512
_AIM = 0.8  # of the tolerance: medians wander, and the slowest of a hundred shall be within it
_CUT = 0.5  # of the way, so that one odd window does not halve the limit
_SMOOTH = 0.5
_DROPPED = 0.7  # after an answer that says "overloaded", or none in time
_FULL = 0.7  # of the limit
_CALM_S = 10.0  # after which a limit below the first one drifts back
_FIRST_PROBE_S = 2.0
_PROBE_EVERY_S = 15.0
_FLOOR_PROBE_S = 5.0
_FASTER = 0.9  # than the best: it was not the best, and may not be yet
_PROBE = 16  # answers that are wanted of a probe
_LEAST_TYPICAL_S = 0.03  # on which a probe's length is founded: 0.2 s at least, whatever hiccups there are
_PROBE_SHARE = 5.0  # times a probe's length lie between two of them: it costs 4 % of the answers at most
_SAME = 0.8  # half the crowd, and hardly faster: the crowd is not why
FIRST_LIMIT = 64  # what a server that nobody has asked yet is given at once


class Limit(Protocol):
    """How many requests may be at a server."""

    @property
    def now(self) -> int: ...

    def answered(self, shape: Shape, crowd: int, began: float, now: float) -> None:
        """A call was answered. `crowd`: requests at the server when it began, itself among them."""

    def dropped(self, began: float, now: float) -> None:
        """A call was refused as one too many, or not answered in time."""


class FixedLimit:
    """Implements Limit: always the same."""

    __slots__ = ("now",)

    def __init__(self, most: int) -> None:
        self.now = most

    def answered(self, shape: Shape, crowd: int, began: float, now: float) -> None:
        pass

    def dropped(self, began: float, now: float) -> None:
        pass


@dataclass(slots=True)
class _Probe:
    """A moment with half the crowd, as BBR has one: it shows what of the slowness the crowd is to blame for.
    Of interest are answers to what began when the crowd had gone, and early enough to be over by the end:
    those that come first are the short ones."""

    limit: float
    typical_s: float
    since: float
    until: float
    end: float
    ratios: list[float] = field(default_factory=list)


class AdaptiveLimit:
    """Implements Limit, between `least` and `most`."""

    def __init__(self, most: int, least: int, tolerance: float, now: float) -> None:
        """`tolerance`: times its usual time that an answer may take."""
        self._most = float(most)
        self._least = float(min(least, most))
        self._aim = max(1.05, _AIM * tolerance)
        self._first = self._limit = float(min(most, max(least, FIRST_LIMIT)))
        self._baselines = Baselines()
        self._ratio = 1.0  # of the last windows
        self._window: list[tuple[float, int, float]] = []  # ratio, crowd, seconds
        self._window_began = now
        self._judge_at = _WINDOW
        self._stress: tuple[float, float] | None = None  # crowd and ratio since answers are too slow
        self._probe: _Probe | None = None
        self._probe_at = now + _FIRST_PROBE_S
        self._cut_at = now
        self._calm_since = now  # neither dropped, slow, full, probed nor drifted since

    @property
    def now(self) -> int:
        return int(self._limit if self._probe is None else self._probe.limit)

    def answered(self, shape: Shape, crowd: int, began: float, now: float) -> None:
        ratio = self._baselines.ratio(shape, now - began, crowd)
        if ratio is None:
            return
        if self._probe is not None:
            self._probed(self._probe, ratio, began, now)
            return
        window = self._window
        if not window:
            self._window_began = now
        window.append((ratio, crowd, now - began))
        lasted = now - self._window_began
        enough = len(window) >= self._judge_at and lasted >= _WINDOW_S
        if enough or (lasted >= _QUIET_S and len(window) >= _QUIET) or len(window) >= _MOST_OF_WINDOW:
            self._judge(window, now)

    def dropped(self, began: float, now: float) -> None:
        if began >= self._cut_at:  # what began before the last cut is what that was for
            self._cut_at = self._calm_since = now
            self._limit = max(self._least, _DROPPED * self._limit)

    def _judge(self, window: list[tuple[float, int, float]], now: float) -> None:
        """What the window's answers say about the limit."""
        found = median_of([one[0] for one in window])
        if found.low <= self._aim <= found.high and len(window) < _SURE:
            self._judge_at = 2 * len(window)  # more answers will tell
            return
        self._window, self._judge_at = [], _WINDOW
        self._ratio += _SMOOTH * (found.value - self._ratio)
        crowd = median(one[1] for one in window)
        if self._is_not_the_crowds(crowd, found.value):
            self._scale(found.value)
            return
        # In a queue time grows as the crowd does: with this crowd answers would be as slow as they may be.
        bearable = crowd * self._aim / found.value
        if found.value > self._aim and bearable < self._limit and crowd > self._least:
            self._limit = max(self._least, self._limit + _CUT * (bearable - self._limit))
        else:
            if found.value <= (1 + self._aim) / 2:
                bearable = max(bearable, crowd + 1)  # a fifth more than four is four again
            if bearable > self._limit:
                self._limit = min(self._most, bearable, self._limit + sqrt(self._limit))
        is_full = crowd >= _FULL * self._limit
        if is_full or found.value > self._aim:
            self._calm_since = now
        elif now - self._calm_since >= _CALM_S and self._limit < self._first:
            # What it fell for is over, and without a crowd nothing else would tell.
            self._limit = min(self._first, self._limit + sqrt(self._limit))
            self._calm_since = now
        crowded = is_full or found.low > 1.2
        if found.high < _FASTER:
            self._probe_at = min(self._probe_at, now + _FIRST_PROBE_S)
        if self._limit < 1.25 * self._least and found.value > self._aim:
            # Slow with hardly a crowd: it may be the server, and waiting for the next probe is dear.
            self._probe_at = min(self._probe_at, now + _FLOOR_PROBE_S)
        if crowded and now >= self._probe_at:
            self._begin_probe(self._limit / 2, median(one[2] for one in window), now)

    def _is_not_the_crowds(self, crowd: float, ratio: float) -> bool:
        """Whether answers are too slow and have stayed so while the crowd halved: then the server is slow."""
        if ratio <= self._aim:
            self._stress = None
        elif self._stress is None or crowd > self._stress[0]:
            self._stress = crowd, ratio
        elif crowd <= self._stress[0] / 2:
            before, self._stress = self._stress[1], (crowd, ratio)
            return ratio > _SAME * before
        return False

    def _scale(self, factor: float) -> None:
        self._baselines.scale(factor)
        self._ratio /= factor
        self._stress = None

    def _begin_probe(self, limit: float, typical_s: float, now: float) -> None:
        limit, typical_s = max(1.0, limit), max(_LEAST_TYPICAL_S, typical_s)
        since = now + typical_s  # the crowd has gone by then
        until = since + typical_s * max(2.0, _PROBE / limit)
        self._probe = _Probe(limit, typical_s, since, until, until + 3 * typical_s)
        self._probe_at = now + max(_PROBE_EVERY_S, _PROBE_SHARE * (self._probe.end - now))

    def _probed(self, probe: _Probe, ratio: float, began: float, now: float) -> None:
        if probe.since <= began <= probe.until:
            probe.ratios.append(ratio)
        if now < probe.end:
            return
        self._probe, self._calm_since = None, now
        if len(probe.ratios) < _QUIET:
            return
        found = median_of(probe.ratios)
        is_less = found.high < 1
        if is_less or (
            found.value - (found.high - found.value) / 2 > 1 and found.value > _SAME * self._ratio
        ):
            self._scale(found.value)
        if is_less and probe.limit > 1:
            # The best times were a queue's. Whether these are too, half of this crowd will show.
            self._begin_probe(probe.limit / 2, probe.typical_s * found.value, now)
