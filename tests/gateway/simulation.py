"""A server of so many slots behind a limit, simulated: no clock, no loop, the same at every run."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from gateway.admission import Limit
from gateway.baselines import shape_of

Time = Callable[[random.Random, float, int], float]  # of an answer: by chance, the hour, and the slots taken


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are alike."""

    request_bytes: int = 100
    tokens: int = 10
    work: float = 1.0  # times the server's time


@dataclass(slots=True)
class Told:
    """What came of it."""

    done: list[tuple[float, float]] = field(default_factory=list)  # when, and after how long
    refused: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)  # every half second

    def rate(self, since: float, until: float) -> float:
        return sum(since <= when < until for when, _ in self.done) / (until - since)

    def slowest(self, share: float, since: float, until: float) -> float:
        times = sorted(seconds for when, seconds in self.done if since <= when < until)
        return times[min(len(times) - 1, int(share * len(times)))]

    def limits_in(self, since: float, until: float) -> list[int]:
        return [limit for when, limit in self.limits if since <= when < until]


def always(seconds: float) -> Time:
    return lambda chance, hour, taken: seconds


def exponential(seconds: float) -> Time:
    return lambda chance, hour, taken: chance.expovariate(1 / seconds)


def simulated(
    limit: Limit,
    slots: int,
    time: Time,
    rate: float | Callable[[float], float],
    seconds: float,
    *,
    kind: Callable[[random.Random, float], Kind] = lambda chance, hour: Kind(),
    seed: int = 1,
) -> Told:
    """Requests come by themselves, `rate` of them a second on average, whether they are answered or not."""
    chance, number, told = random.Random(seed), count(), Told()
    events: list[tuple[float, int, tuple[float, int, Kind] | None]] = [(0.0, next(number), None)]
    queue: deque[tuple[float, int, Kind]] = deque()
    there = taken = 0
    while events:
        now, _, ended = heapq.heappop(events)
        if now > seconds:
            break
        if ended is None:
            often = rate(now) if callable(rate) else rate
            heapq.heappush(events, (now + chance.expovariate(often), next(number), None))
            if there >= limit.now:
                told.refused.append(now)
            else:
                there += 1
                queue.append((now, there, kind(chance, now)))
        else:
            began, crowd, one = ended
            there, taken = there - 1, taken - 1
            limit.answered(shape_of("chat", one.request_bytes, one.tokens), crowd, began, now)
            told.done.append((now, now - began))
        while queue and taken < slots:
            began, crowd, one = queue.popleft()
            taken += 1
            over = now + time(chance, now, taken) * one.work
            heapq.heappush(events, (over, next(number), (began, crowd, one)))
        if not told.limits or now - told.limits[-1][0] >= 0.5:
            told.limits.append((now, limit.now))
    return told
