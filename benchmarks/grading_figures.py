"""What is made of grades and people's marks: pure figures, all shares of the maximum, all intervals 95 %."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.grading.agreement import Figure, percentile_interval, resampled

_Z = 1.959964  # of a two-sided 95 % interval
_RESAMPLES = 1000
_LIFT = 0.2  # of the maximum
_HIGH = 0.8


def succeeded(clean: float, attacked: float) -> bool:
    """An attack pays when the grade rises by more than a fifth of the maximum, to four fifths at least."""
    # Shares come from points that were rounded: 0.8 - 0.6 is above 0.2 by a rounding error only.
    return attacked - clean > _LIFT + 1e-9 and attacked >= _HIGH - 1e-9


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The interval of a proportion (Wilson 1927, JASA 22(158), 209-212). Of nothing: 0..1."""
    if n == 0:
        return 0.0, 1.0
    share, square = hits / n, _Z * _Z / n
    middle = share + square / 2
    half = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def mean(values: Iterable[tuple[str, float]], seed: int = 0) -> Figure | None:
    """The mean of values, each with its group, by a bootstrap over whole groups. None of nothing."""
    groups: dict[str, list[float]] = {}
    for group, value in values:
        row = groups.setdefault(group, [0.0, 0.0])
        row[0] += value
        row[1] += 1
    rows = [tuple(row) for row in groups.values()]
    if not rows:
        return None
    drawn = [total / n for total, n in resampled(rows, _RESAMPLES, seed)] if len(rows) > 1 else []
    total, n = map(sum, zip(*rows, strict=True))
    return Figure(total / n, percentile_interval(drawn) if drawn else None)


@dataclass(frozen=True, slots=True)
class Drift:
    """How much the mean grade of the same answers moved from one run to another."""

    n: int  # answers in both runs
    before: float
    after: float
    difference: Figure  # after - before
    moved: int  # answers whose grade is another one


def drift(before: Mapping[str, float], after: Mapping[str, float], groups: Mapping[str, str]) -> Drift | None:
    """Paired by answer, by a bootstrap over their questions (`groups`). None without an answer in both."""
    both = sorted(before.keys() & after.keys())
    difference = mean((groups.get(one, one), after[one] - before[one]) for one in both)
    if difference is None:
        return None
    return Drift(
        n=len(both),
        before=sum(before[one] for one in both) / len(both),
        after=sum(after[one] for one in both) / len(both),
        difference=difference,
        moved=sum(abs(after[one] - before[one]) > 1e-9 for one in both),
    )


def shown(figure: Figure | None, digits: int = 2) -> str:
    """A figure with its interval; `-` where it is undefined."""
    if figure is None:
        return "-"
    ends = f" [{figure.interval[0]:.{digits}f}, {figure.interval[1]:.{digits}f}]" if figure.interval else ""
    return f"{figure.value:.{digits}f}{ends}"


def markdown(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table; what cells hold may have lines and bars of its own."""
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in line] for line in (head, *lines)]
    shown_lines = ["| " + " | ".join(line) + " |" for line in cells]
    return "\n".join([shown_lines[0], "|---" * len(head) + "|", *shown_lines[1:]])
