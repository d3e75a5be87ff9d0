"""What this process owes its callers, and how it kept it over the last hour. docs/slo.md says why so, and how
Prometheus is asked the same over all processes and longer times.

A ring of minutes; each keeps, for a few kinds of requests, how many answers were good, by their time, and how
many broken, refused or failed. The bounds are the metrics' own, so both tell the same figure.
"""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 3600
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60)  # seconds
QUANTILE = 0.95
CLASSIFIER_S = 0.2  # both are among the bounds: then a share of counts says whether they are kept
CHAT_S = 10.0
GOOD_ANSWERS = 0.99
AVAILABILITY = 0.995

_CHAT, _GRADES, _CLASSIFIERS, _VECTORS, _OTHER = "chat", "grades", "classifiers", "vectors", "other"
_ASKS_MODELS = (_CHAT, _GRADES, _CLASSIFIERS, _VECTORS)
_KINDS = {
    "/predict": _CLASSIFIERS,
    "/predict_scenario": _CLASSIFIERS,
    "/v1/chat/completions": _CHAT,
    "/v1/embeddings": _VECTORS,
    "/v1/models/{grader}:predict": _GRADES,
    "/v1/models/{name}:predict": _CLASSIFIERS,
    "/v2/models/{name}/infer": _CLASSIFIERS,
}
# They tell of failures or are asked by machines all day: a 503 of theirs is what they are for.
_NOT_COUNTED = frozenset({"/-/healthz", "/-/readyz", "/metrics", "/v1/status"})
_QUICK = len(BOUNDS) + 1  # how many counts of good answers by time begin a tally; then these:
_BROKEN, _REFUSED, _FAILED = _QUICK, _QUICK + 1, _QUICK + 2
_WIDTH = _QUICK + 3
_CLIENT_LEFT = 499

Tally = list[int]


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise. `value` is seconds where `objective` is, else a share; without a request it is None."""

    name: str
    objective: float
    value: float | None
    good: int
    total: int
    met: bool | None


class Slo:
    """Counts answers as they are given. Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minute = -1
        self._now: dict[str, Tally] = {}
        self._minutes: deque[tuple[int, dict[str, Tally]]] = deque(maxlen=WINDOW_S // 60)

    def record(self, route: str, status: int, seconds: float, *, whole: bool = True) -> None:
        """An answer on a route, which is a template; `seconds` from the request's head to its last byte. Not
        `whole`: a stream that broke after its head. 0.4 microseconds."""
        if status == _CLIENT_LEFT or status < 200 or route in _NOT_COUNTED:
            return
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._turn(minute)
        tally = self._now[_KINDS.get(route, _OTHER)]
        if status >= 500:
            tally[_FAILED] += 1
        elif status >= 400:
            tally[_REFUSED] += 1
        elif whole:
            tally[bisect_left(BOUNDS, seconds)] += 1
        else:
            tally[_BROKEN] += 1

    def objectives(self) -> list[Objective]:
        """As they are now."""
        since = int(self._clock() // 60) - WINDOW_S // 60
        tallies = [kinds for minute, kinds in self._minutes if minute > since]
        sums = {
            kind: [sum(column) for column in zip([0] * _WIDTH, *(one[kind] for one in tallies), strict=True)]
            for kind in (*_ASKS_MODELS, _OTHER)
        }
        asked, every = _added(sums, *_ASKS_MODELS), _added(sums, *sums)
        good = sum(asked[:_QUICK])
        failed = every[_FAILED]
        return [
            _quick("classifier_p95", CLASSIFIER_S, sums[_CLASSIFIERS]),
            _share("good_answers", GOOD_ANSWERS, good, good + asked[_BROKEN] + asked[_FAILED]),
            _share("availability", AVAILABILITY, sum(every) - failed, sum(every)),
            _quick("chat_p95", CHAT_S, sums[_CHAT]),
        ]

    def _turn(self, minute: int) -> None:
        self._minute = minute
        self._now = {kind: [0] * _WIDTH for kind in (*_ASKS_MODELS, _OTHER)}
        self._minutes.append((minute, self._now))


def _added(sums: dict[str, Tally], *kinds: str) -> Tally:
    return [sum(column) for column in zip(*(sums[kind] for kind in kinds), strict=True)]


def _share(name: str, objective: float, good: int, total: int) -> Objective:
    value = good / total if total else None
    return Objective(name, objective, value, good, total, None if value is None else value >= objective)


def _quick(name: str, objective: float, tally: Tally) -> Objective:
    """Of good answers: a refusal is quick, and would flatter."""
    counts = tally[:_QUICK]
    total, good = sum(counts), sum(counts[: BOUNDS.index(objective) + 1])
    met = good >= QUANTILE * total if total else None
    return Objective(name, objective, _quantile(counts, QUANTILE) if total else None, good, total, met)


def _quantile(counts: list[int], share: float) -> float:
    """Linear between the bounds, as Prometheus' histogram_quantile; the last bound where it is longer."""
    rank, below = share * sum(counts), 0
    for place, count in enumerate(counts[:-1]):
        if below + count >= rank:
            low = BOUNDS[place - 1] if place else 0.0
            return low + (BOUNDS[place] - low) * (rank - below) / count
        below += count
    return float(BOUNDS[-1])
