"""How far a machine's marks agree with people's, with intervals: for all of them and by the person's mark.

Quadratic weighted kappa is Cohen's (1968, Psychological Bulletin 70(4), 213-220). With levels i of the
machine and j of the person, 1 - sum (i - j)^2 / (that sum if the margins were independent) comes down to
2 (n S_ij - S_i S_j) / (n (S_ii + S_jj) - 2 S_i S_j): sums of whole numbers, so identical marks give just 1.

Intervals are percentile bootstrap ones over whole groups (Efron & Tibshirani 1993, ch. 13; Davison & Hinkley
1997, 3.8): answers to one question, or of one student, are no independent evidence. Every figure is a
function of sums, so a resample adds up rows of sums: 0.1 s for 200 groups, 0.5 s for 1000, however many
pairs.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

CONFIDENCE = 0.95
# An interval over the resamples in which a figure happens to be defined would describe those alone.
_MOST_UNDEFINED = 0.05

Sums = tuple[float, ...]


class Third(StrEnum):
    """Where the person's mark lies."""

    LOW = "low"
    MID = "mid"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two marks of one answer, shares of the maximum. Raises ValueError outside 0..1.

    `group` is the question or the student that the answer belongs to; empty: it stands for itself.
    """

    machine: float
    human: float
    group: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.machine <= 1 and 0 <= self.human <= 1):
            raise ValueError("marks are shares of the maximum, 0..1")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval, None where there are too few groups to tell."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Figures:
    """None where a figure is undefined: fewer than two pairs, or for kappa one level only."""

    n: int
    groups: int
    kappa: Figure | None  # quadratic weighted, -1..1
    exact: Figure | None  # share of pairs on the same level
    adjacent: Figure | None  # share of pairs at most one level apart
    mae: Figure | None  # mean absolute difference, a share of the maximum
    bias: Figure | None  # mean of machine - human: above 0 the machine is the milder one


@dataclass(frozen=True, slots=True)
class Agreement:
    levels: int
    overall: Figures
    thirds: Mapping[Third, Figures]  # by the person's mark, all three of them


def agreement(pairs: Sequence[Pair], *, levels: int = 5, resamples: int = 1000, seed: int = 0) -> Agreement:
    """Figures of agreement. Levels are `levels` equal bands of 0..1, the last one with its upper edge. The
    same pairs and seed give the same intervals; with no resamples there are none. Blocks, so a service calls
    it in a thread."""
    rows: dict[str, list[float]] = {}
    for position, pair in enumerate(pairs):
        # No group of a caller is one character more than its own name.
        name = f"={pair.group}" if pair.group else f"#{position}"
        row = rows.setdefault(name, [0.0] * (_WIDTH * (1 + len(Third))))
        for part in (0, 1 + list(Third).index(third(pair.human))):
            for column, value in enumerate(_sums(pair, levels)):
                row[part * _WIDTH + column] += value
    table = [tuple(row) for row in rows.values()]
    drawn = list(resampled(table, resamples, seed)) if len(table) > 1 else []
    overall, *thirds = (_figures(table, drawn, part * _WIDTH) for part in range(1 + len(Third)))
    return Agreement(levels, overall, dict(zip(Third, thirds, strict=True)))


def level(share: float, levels: int) -> int:
    """The band of a share, 0..levels-1. A share that is a rounding error below an edge is on it."""
    return min(int(share * levels + 1e-9), levels - 1)


def third(share: float) -> Third:
    return tuple(Third)[level(share, len(Third))]


def resampled(rows: Sequence[Sums], resamples: int, seed: int) -> Iterator[Sums]:
    """Sums of the columns over as many rows as there are, drawn with replacement, `resamples` times."""
    draws = random.Random(seed)  # noqa: S311 (a bootstrap keeps no secret, and must be repeatable)
    for _ in range(resamples):
        yield tuple(map(sum, zip(*draws.choices(rows, k=len(rows)), strict=True)))


def percentile_interval(values: Iterable[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The middle `confidence` of the values, linear between neighbours. Needs at least one value."""
    ordered = sorted(values)
    tail = (1 - confidence) / 2
    return _quantile(ordered, tail), _quantile(ordered, 1 - tail)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _sums(pair: Pair, levels: int) -> Sums:
    """One pair's part in n, |d|, d, exact, adjacent, S_i, S_j, S_ii + S_jj, S_ij."""
    i, j = level(pair.machine, levels), level(pair.human, levels)
    d = pair.machine - pair.human
    return (1, abs(d), d, float(i == j), float(abs(i - j) <= 1), i, j, i * i + j * j, i * j)


_WIDTH = 9


def _kappa(sums: Sums) -> float | None:
    n, *_, s_i, s_j, squares, s_ij = sums
    expected = n * squares - 2 * s_i * s_j
    return 2 * (n * s_ij - s_i * s_j) / expected if expected else None


def _mean_of(column: int) -> Callable[[Sums], float | None]:
    return lambda sums: sums[column] / sums[0] if sums[0] else None


def _figures(table: Sequence[Sums], drawn: Sequence[Sums], start: int) -> Figures:
    rows = [row[start : start + _WIDTH] for row in table]
    draws = [row[start : start + _WIDTH] for row in drawn]
    total = tuple(map(sum, zip(*rows, strict=True))) or (0.0,) * _WIDTH
    groups = sum(row[0] > 0 for row in rows)

    def figure(of: Callable[[Sums], float | None]) -> Figure | None:
        value = of(total)
        if total[0] < 2 or value is None:
            return None
        defined = [one for one in map(of, draws) if one is not None]
        told = bool(defined) and groups > 1 and len(defined) >= (1 - _MOST_UNDEFINED) * len(draws)
        return Figure(value, percentile_interval(defined) if told else None)

    return Figures(
        n=int(total[0]),
        groups=groups,
        kappa=figure(_kappa),
        mae=figure(_mean_of(1)),
        bias=figure(_mean_of(2)),
        exact=figure(_mean_of(3)),
        adjacent=figure(_mean_of(4)),
    )
