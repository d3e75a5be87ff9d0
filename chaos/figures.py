"""Numbers from outcomes. Pure."""

from collections.abc import Callable, Iterable, Sequence

from chaos.client import Outcome


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest rank; NaN where there is nothing, which no bound accepts."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


def p(share: float, outcomes: Iterable[Outcome]) -> float:
    """A percentile of the seconds from due to end."""
    return percentile((one.seconds for one in outcomes), share)


def between(outcomes: Iterable[Outcome], begin: float, end: float) -> list[Outcome]:
    """Those that were due then, in that order."""
    return sorted((one for one in outcomes if begin <= one.due < end), key=lambda one: one.due)


def goodput(outcomes: Iterable[Outcome], begin: float, end: float) -> float:
    """Good answers a second that ended then."""
    return sum(one.is_good and begin <= one.end < end for one in outcomes) / (end - begin)


def from_then_on(
    outcomes: Sequence[Outcome], holds: Callable[[Outcome], bool], share: float = 0.98
) -> float | None:
    """When the first was due from which on `share` of all are as wanted; None where that never is. In order
    of due."""
    kept, found = 0, None
    for count, one in enumerate(reversed(outcomes), 1):
        kept += holds(one)
        if kept >= share * count:
            found = one.due
    return found


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float:
    """By least squares over (seconds, value): the growth an hour as a share of the mean value."""
    n = len(points)
    mean_t = sum(t for t, _ in points) / n
    mean_v = sum(v for _, v in points) / n
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    if not spread or not mean_v:
        return float("nan")
    return sum((t - mean_t) * (v - mean_v) for t, v in points) / spread * 3600 / mean_v


def tally(outcomes: Iterable[Outcome]) -> str:
    """How many of each kind, the most frequent first."""
    counts: dict[str, int] = {}
    for one in outcomes:
        what = f"{one.status or '-'}{f' {one.code}' if one.code else ''}"
        if one.how != "whole":
            what += f" ({one.how})"
        counts[what] = counts.get(what, 0) + 1
    return ", ".join(f"{what}: {n}" for what, n in sorted(counts.items(), key=lambda item: -item[1]))
